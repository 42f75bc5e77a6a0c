import { IptablesError, renderExplanation } from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { explain, filter } from '../../testing/explain-save.ts';

const name = fc.constantFrom('INPUT', 'FORWARD', 'A', 'B', 'C');
const condition = fc.constantFrom(
  '',
  '-s 10.0.0.0/8 ',
  '! -d 10.0.0.1/32 ',
  '-i eth0 ',
  '! -i eth0 ',
  '-p tcp ',
  '-p udp -m udp --dport 53 ',
  '-m mark --mark 0x1 ',
  '-m set --match-set s src ',
  '-m limit --limit 1/sec ',
  '-m ttl --ttl-lt 2 ',
  '-m conntrack --ctstate NEW ',
  '-m addrtype --dst-type LOCAL ',
  '-m statistic --mode random --probability 0.50000000000 ',
);
const target = fc.constantFrom(
  '',
  '-j ACCEPT',
  '-j DROP',
  '-j RETURN',
  '-j REJECT --reject-with icmp-port-unreachable',
  '-j A',
  '-j B',
  '-g C',
  '-j MARK --set-xmark 0x1/0xffffffff',
  '-j LOG',
  '-j NFQUEUE',
  '-j NOWHERE',
  '-g NOWHERE',
);
const rule = fc
  .tuple(name, condition, condition, target)
  .map(([chain, one, two, end]) => `-A ${chain} ${one}${two}${end}`);
const packet = fc.constantFrom(
  'tcp',
  'tcp src 10.0.0.1:1 dst 10.0.0.1:2 in eth0',
  'udp src 11.0.0.1:1 dst 10.0.0.2:53',
  'icmp in eth1 out eth2',
  'tcp in eth0 local state ESTABLISHED',
);

test('any save that can be read gives at least one end, the same each time; only circles are refused', () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 25 }), packet, (rules, text) => {
      const save = filter(':A -', ':B -', ':C -', ...rules);
      try {
        const first = explain(save, text);
        expect(first.ends.length).toBeGreaterThan(0);
        expect(renderExplanation(explain(save, text))).toBe(renderExplanation(first));
        expect(first.decided).toBe(
          first.ends.length === 1 && first.ends[0]?.end !== 'unknown' && !first.notes.join().includes('other ends'),
        );
      } catch (error) {
        if (!(error instanceof IptablesError) || !error.message.includes('circle')) throw error;
      }
    }),
    { numRuns: 300 },
  );
});

test('a packet that meets no rule ends with the policies', () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 25 }), fc.constantFrom('ACCEPT', 'DROP'), (rules, policy) => {
      const save = `*filter\n:INPUT ${policy}\n:A -\n:B -\n:C -\n${rules.map((line) => line.replace(/^-A (?:INPUT|FORWARD) /, '-A C ').replace('-g C', '')).join('\n')}\nCOMMIT\n`;
      try {
        const { ends: found, steps } = explain(save, 'tcp dst 10.0.0.1:80 in eth0 local');
        expect(found.map(({ end }) => end)).toEqual([policy === 'ACCEPT' ? 'delivered' : 'dropped']);
        expect(steps.some(({ step }) => step === 'rule')).toBe(false);
      } catch (error) {
        if (!(error instanceof IptablesError) || !error.message.includes('circle')) throw error;
      }
    }),
  );
});
