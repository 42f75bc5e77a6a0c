import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Explanation,
  explainPacket,
  IptablesError,
  parsePacket,
  parseSave,
  renderExplanation,
} from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SLOW, startCpuClock } from '../../testing/slow-test.ts';

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../../../fixtures', name), 'utf8');
const explain = (save: string, packet: string): Explanation => {
  const parsed = parsePacket(packet);
  return explainPacket(parseSave(save, parsed.family ?? 'ipv4'), parsed);
};
const filter = (...lines: string[]) =>
  `*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n${lines.join('\n')}\nCOMMIT\n`;
const ends = (explanation: Explanation) => explanation.ends.map(({ text }) => text);
/** Rules in the order met: `+ nat ISTIO_OUTPUT 2`. */
const met = ({ steps }: Explanation, signs = '+-?~') =>
  steps.flatMap((step) => {
    if (step.step !== 'rule') return [];
    const sign = { matched: '+', 'not-matched': '-', undecided: '?', depends: '~' }[step.result];
    return signs.includes(sign) ? [`${sign} ${step.table} ${step.chain} ${step.number}`] : [];
  });

const POD = '10.1.1.5';
const CLIENT = '10.1.1.9:4000';
const TO_15006 = `delivered to ${POD}:15006 on this machine`;

/** Spec section 7, with the rules of `redirect` and DNS. */
const MATRIX = [
  {
    who: 'app to outside',
    packet: `tcp src ${POD}:4000 dst 1.2.3.4:80 out eth0`,
    end: 'delivered to 127.0.0.1:15001 on this machine',
  },
  {
    who: 'proxy to outside',
    packet: `tcp src ${POD}:4000 dst 1.2.3.4:80 out eth0 mark 0x539`,
    end: `sent by eth0 from ${POD}:4000 to 1.2.3.4:80`,
  },
  {
    who: 'app to DNS over TCP',
    packet: `tcp src ${POD}:4000 dst 1.2.3.4:53 out eth0`,
    end: 'delivered to 127.0.0.1:15053 on this machine',
  },
  {
    who: 'app to DNS over UDP',
    packet: `udp src ${POD}:4000 dst 1.2.3.4:53 out eth0`,
    end: 'delivered to 127.0.0.1:15053 on this machine',
  },
  {
    who: 'proxy to DNS',
    packet: `udp src ${POD}:4000 dst 1.2.3.4:53 out eth0 mark 0x539`,
    end: `sent by eth0 from ${POD}:4000 to 1.2.3.4:53`,
  },
  {
    who: 'app to its own address',
    packet: `tcp src ${POD}:4000 dst ${POD}:8080 out lo`,
    end: `delivered to ${POD}:8080 on this machine`,
  },
  {
    who: 'app to loopback',
    packet: 'tcp src 127.0.0.1:4000 dst 127.0.0.1:8080 local',
    end: 'delivered to 127.0.0.1:8080 on this machine',
  },
  { who: 'client', packet: `tcp src ${CLIENT} dst ${POD}:8080 in eth0 local`, end: TO_15006 },
  {
    who: 'client to 15008',
    packet: `tcp src ${CLIENT} dst ${POD}:15008 in eth0 local`,
    end: `delivered to ${POD}:15008 on this machine`,
  },
  { who: 'client to 15001', packet: `tcp src ${CLIENT} dst ${POD}:15001 in eth0 local`, end: TO_15006 },
  {
    who: 'probe',
    packet: `tcp src 169.254.7.127:4000 dst ${POD}:8080 in eth0 local`,
    end: `delivered to ${POD}:8080 on this machine`,
  },
  {
    who: 'proxy as client',
    packet: `tcp src ${CLIENT} dst ${POD}:8080 out lo mark 0x539`,
    end: `delivered to ${POD}:8080 on this machine`,
  },
];

test.each(MATRIX)('redirect: $who', ({ packet, end }) => {
  const explanation = explain(fixture('redirect-dns.v4.save'), packet);
  expect(ends(explanation)).toEqual([end]);
  expect(explanation.decided).toBe(true);
});

const SOCKET_15006 = `delivered to the transparent socket at port 15006, its destination still ${POD}`;
const TPROXY_ENDS: { readonly [who: string]: string } = {
  client: `${SOCKET_15006}:8080`,
  'client to 15008': `delivered to the transparent socket at port 15008, its destination still ${POD}:15008`,
  'client to 15001': `${SOCKET_15006}:15001`,
};

test.each(MATRIX)('tproxy: $who', ({ who, packet, end }) => {
  const explanation = explain(fixture('tproxy-dns.v4.save'), packet);
  expect(ends(explanation)).toEqual([TPROXY_ENDS[who] ?? end]);
  expect(explanation.decided).toBe(true);
});

test('IPv6 goes the same way', () => {
  const save = fixture('redirect-dns.v6.save');
  expect(ends(explain(save, 'tcp src [fd00::5]:4000 dst [fd01::1]:80 out eth0'))).toEqual([
    'delivered to [::1]:15001 on this machine',
  ]);
  expect(ends(explain(save, 'tcp src [fd00::9]:4000 dst [fd00::5]:80 in eth0'))).toEqual([
    'delivered to port 15006 of this machine',
  ]);
  expect(ends(explain(fixture('tproxy.v6.save'), 'tcp src [fd00::9]:4000 dst [fd00::5]:80 in eth0'))).toEqual([
    'delivered to the transparent socket at port 15006, its destination still [fd00::5]:80',
  ]);
});

test('the proxy as client marks the connection, and the answer is routed by that mark', () => {
  const save = fixture('redirect-dns.v4.save');
  const [there] = explain(save, `tcp src ${CLIENT} dst ${POD}:8080 out lo mark 0x539`).ends;
  expect(there?.packet).toMatchObject({ mark: 0x539, connectionMark: 0x111 });
  const answer = explain(save, `tcp src ${POD}:8080 dst ${CLIENT} out eth0 connmark 0x111 state ESTABLISHED`);
  expect(answer.ends.map(({ end, packet }) => [end, packet.mark, packet.outInterface])).toEqual([
    ['delivered', 0x111, undefined],
    ['sent', 0x111, undefined],
  ]);
  expect(answer.notes.join()).toContain('policy routing');
  expect(answer.steps).toContainEqual({
    step: 'chain',
    table: 'nat',
    chain: 'OUTPUT',
    skipped: 'nat is asked for NEW connections only, and this is ESTABLISHED',
  });
});

test('REDIRECT without a known address of the interface says so', () => {
  const explanation = explain(fixture('redirect-dns.v4.save'), `tcp src ${CLIENT} dst ${POD}:8080 in eth0`);
  expect(ends(explanation)).toEqual(['delivered to port 15006 of this machine']);
  expect(renderExplanation(explanation)).toContain('? is that of the interface it came in by');
});

test('a rule that asks for what is not given is undecided, and its end depends on it', () => {
  const explanation = explain(fixture('redirect-dns.v4.save'), `tcp src ${POD}:4000 dst 1.2.3.4:80 local`);
  expect(met(explanation, '?')).toEqual(['? nat ISTIO_OUTPUT 5']);
  expect(explanation.decided).toBe(false);
  expect(
    explanation.ends.map(({ text, conditions }) => [text, conditions.map((list) => list.map((one) => one.text))]),
  ).toEqual([
    ['delivered to 1.2.3.4:80 on this machine', [['nat ISTIO_OUTPUT 5 matches']]],
    ['delivered to 127.0.0.1:15001 on this machine', [['nat ISTIO_OUTPUT 5 does not match']]],
  ]);
});

test.each([
  { rule: '-s 10.0.0.0/8 -j DROP', packet: 'tcp src 10.9.9.9 in e', sign: '+' },
  { rule: '-s 10.0.0.0/8 -j DROP', packet: 'tcp src 11.0.0.1 in e', sign: '-' },
  { rule: '-s 10.0.0.0/8 -j DROP', packet: 'tcp in e', sign: '?' },
  { rule: '! -s 10.0.0.0/8 -j DROP', packet: 'tcp src 11.0.0.1 in e', sign: '+' },
  { rule: '! -s 10.0.0.0/8 -j DROP', packet: 'tcp in e', sign: '?' },
  { rule: '-i eth+ -j DROP', packet: 'tcp in eth7', sign: '+' },
  { rule: '-i eth+ -j DROP', packet: 'tcp in lo', sign: '-' },
  { rule: '-i eth0 -j DROP', packet: 'tcp dst 10.0.0.1 host 10.0.0.1', sign: '?' },
  { rule: '! -i eth0 -j DROP', packet: 'tcp in eth1', sign: '+' },
  { rule: '-p udp -j DROP', packet: 'tcp in e', sign: '-' },
  { rule: '! -p udp -j DROP', packet: 'tcp in e', sign: '+' },
  { rule: '-p 253 -j DROP', packet: '253 in e', sign: '+' },
  { rule: '-p tcp -m tcp --dport 80:90 -j DROP', packet: 'tcp dst 10.0.0.1:85 in e', sign: '+' },
  { rule: '-p tcp -m tcp ! --dport 80 -j DROP', packet: 'tcp dst 10.0.0.1:80 in e', sign: '-' },
  { rule: '-p tcp -m tcp --sport 80 -j DROP', packet: 'tcp src 10.0.0.1 in e', sign: '?' },
  { rule: '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP', packet: 'tcp in e flags SYN', sign: '+' },
  { rule: '-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP', packet: 'tcp in e flags ACK', sign: '+' },
  { rule: '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP', packet: 'tcp in e', sign: '?' },
  { rule: '-p tcp -m multiport --dports 22,80:90 -j DROP', packet: 'tcp dst 10.0.0.1:81 in e', sign: '+' },
  { rule: '-p tcp -m multiport ! --dports 22,80 -j DROP', packet: 'tcp dst 10.0.0.1:81 in e', sign: '+' },
  { rule: '-p tcp -m multiport --ports 22 -j DROP', packet: 'tcp src 10.0.0.2:22 in e', sign: '+' },
  { rule: '-p icmp -m icmp --icmp-type 8 -j DROP', packet: 'icmp in e type 8/0', sign: '+' },
  { rule: '-p icmp -m icmp --icmp-type 8 -j DROP', packet: 'icmp in e type 0', sign: '-' },
  { rule: '-p icmp -m icmp --icmp-type 3/4 -j DROP', packet: 'icmp in e type 3', sign: '?' },
  { rule: '-m mark --mark 0x1/0xf -j DROP', packet: 'tcp in e mark 0x71', sign: '+' },
  { rule: '-m mark ! --mark 0x1/0xf -j DROP', packet: 'tcp in e', sign: '+' },
  { rule: '-m connmark --mark 0x1 -j DROP', packet: 'tcp in e connmark 1', sign: '+' },
  { rule: '-m connmark ! --mark 0x1 -j DROP', packet: 'tcp in e state INVALID', sign: '-' },
  { rule: '-m conntrack --ctstate RELATED,ESTABLISHED -j DROP', packet: 'tcp in e state RELATED', sign: '+' },
  { rule: '-m conntrack --ctstate RELATED,ESTABLISHED -j DROP', packet: 'tcp in e', sign: '-' },
  { rule: '-m conntrack ! --ctstate NEW -j DROP', packet: 'tcp in e state INVALID', sign: '+' },
  { rule: '-m conntrack --ctstate DNAT -j DROP', packet: 'tcp in e', sign: '-' },
  { rule: '-m conntrack --ctstate DNAT -j DROP', packet: 'tcp in e state ESTABLISHED', sign: '?' },
  { rule: '-m conntrack --ctstate DNAT -j DROP', packet: 'tcp in e state ESTABLISHED,DNAT', sign: '+' },
  { rule: '-m set --match-set bad src -j DROP', packet: 'tcp src 10.0.0.1 in e', sign: '?' },
  { rule: '-m addrtype --src-type LOCAL -j DROP', packet: 'tcp src 10.0.0.1 in e', sign: '?' },
  { rule: '-m addrtype --dst-type LOCAL -j DROP', packet: 'tcp dst 10.0.0.1 in e local', sign: '+' },
  { rule: '-m addrtype ! --dst-type LOCAL -j DROP', packet: 'tcp dst 10.0.0.1 in e host 10.0.0.1', sign: '-' },
  { rule: '-m limit --limit 3/min -j DROP', packet: 'tcp in e', sign: '?' },
  { rule: '-m statistic --mode random --probability 0.5 -j DROP', packet: 'tcp in e', sign: '?' },
  { rule: '-m ttl --ttl-lt 2 -j DROP', packet: 'tcp in e', sign: '?' },
  { rule: '-m comment --comment "all of it" -j DROP', packet: 'tcp in e', sign: '+' },
  { rule: '-p udp -m ttl --ttl-lt 2 -j DROP', packet: 'tcp in e', sign: '-' },
])('a condition: $rule with $packet is $sign', ({ rule, packet, sign }) => {
  const local = / local| host /.test(packet) ? packet : `${packet} local`;
  const explanation = explain(filter(`-A INPUT ${rule}`), local);
  expect(met(explanation)).toEqual([`${sign} filter INPUT 1`]);
  const dropped = explanation.ends.some(({ end }) => end === 'dropped');
  expect(dropped).toBe(sign !== '-');
  expect(explanation.decided).toBe(sign !== '?');
});

test.each([
  { rule: '-m owner --uid-owner 1337 -j DROP', packet: 'tcp out e uid 1337', sign: '+' },
  { rule: '-m owner ! --uid-owner 1337 -j DROP', packet: 'tcp out e uid 1337', sign: '-' },
  { rule: '-m owner --gid-owner 5 -j DROP', packet: 'tcp out e', sign: '?' },
  { rule: '-m owner --socket-exists -j DROP', packet: 'tcp out e', sign: '+' },
  { rule: '-o e -j DROP', packet: 'tcp out e', sign: '+' },
  { rule: '-o e -j DROP', packet: 'tcp local dst 127.0.0.1', sign: '-' },
])('a condition of local packets: $rule with $packet is $sign', ({ rule, packet, sign }) => {
  expect(met(explain(filter(`-A OUTPUT ${rule}`), packet))).toEqual([`${sign} filter OUTPUT 1`]);
});

test('jump comes back to the next rule, goto to the caller of the chain, RETURN in a built-in chain to its policy', () => {
  const save = filter(
    ':A -',
    ':B -',
    '-A INPUT -j A',
    '-A INPUT -j DROP',
    '-A A -g B',
    '-A A -j REJECT',
    '-A B -p udp -j ACCEPT',
    '-A B -j RETURN',
    '-A B -j ACCEPT',
  );
  const explanation = explain(save, 'tcp in e local');
  expect(met(explanation)).toEqual([
    '+ filter INPUT 1',
    '+ filter A 1',
    '- filter B 1',
    '+ filter B 2',
    '+ filter INPUT 2',
  ]);
  expect(ends(explanation)).toEqual(['dropped by filter INPUT 2']);
  const direct = explain(filter(':B -', '-A FORWARD -g B', '-A FORWARD -j ACCEPT', '-A B -p udp'), 'tcp in e out f');
  expect(ends(direct)).toEqual(['dropped by the policy of filter FORWARD']);
  expect(ends(explain(filter('-A FORWARD -j RETURN', '-A FORWARD -j ACCEPT'), 'tcp in e out f'))).toEqual(ends(direct));
});

test('chains that call each other in a circle are refused, met or not', () => {
  for (const way of ['-j', '-g']) {
    const save = filter(':A -', ':B -', '-A A -p udp -j B', `-A B -p udp ${way} A`);
    expect(code(() => explain(save, 'tcp in e'))).toBe('IPTABLES_RULE_INVALID');
  }
  expect(code(() => explain(filter(':A -', '-A A -j A'), 'tcp in e'))).toBe('IPTABLES_RULE_INVALID');
});

test('chains may be as deep as they like', () => {
  const depth = 5_000;
  const chains = Array.from({ length: depth }, (_, index) => `:C${index} -`);
  const rules = Array.from(
    { length: depth },
    (_, index) => `-A ${index === 0 ? 'INPUT' : `C${index - 1}`} -j C${index}`,
  );
  expect(met(explain(filter(...chains, ...rules, `-A C${depth - 1} -j DROP`), 'tcp in e local'))).toHaveLength(
    depth + 1,
  );
});

test('a packet of the other family is refused', () => {
  expect(code(() => explainPacket(parseSave(filter(), 'ipv4'), parsePacket('tcp dst fd00::1')))).toBe(
    'IPTABLES_PACKET_INVALID',
  );
});

test('an undecided rule that changes nothing leaves the end certain', () => {
  const save = filter(
    '-A INPUT -m limit --limit 1/min -j LOG --log-prefix "in: "',
    '-A INPUT -m ttl --ttl-lt 2',
    '-A INPUT -j DROP',
  );
  const explanation = explain(save, 'tcp in e local');
  expect(met(explanation)).toEqual(['? filter INPUT 1', '? filter INPUT 2', '+ filter INPUT 3']);
  expect(explanation.decided).toBe(true);
  const through = filter(':A -', '-A INPUT -m ttl --ttl-lt 2 -j A', '-A A -p udp -j ACCEPT', '-A INPUT -j DROP');
  expect(explain(through, 'tcp in e local')).toMatchObject({
    decided: true,
    ends: [{ by: 'filter INPUT 2', conditions: [[]] }],
  });
});

test('one unknown is settled once: rules that ask the same again agree', () => {
  const save = filter(
    '-A INPUT -m set --match-set x src -j MARK --set-xmark 0x1/0xffffffff',
    '-A INPUT -m set ! --match-set x src -j MARK --set-xmark 0x2/0xffffffff',
    '-A INPUT -m mark --mark 0x0 -j DROP',
  );
  const explanation = explain(save, 'tcp src 10.0.0.1 in e local dst 10.0.0.2');
  expect(explanation.ends.map(({ end, packet }) => [end, packet.mark])).toEqual([
    ['delivered', 1],
    ['delivered', 2],
  ]);
  const byInterface = filter('-A INPUT -i a -j ACCEPT', '-A INPUT ! -i a -j DROP');
  expect(explain(byInterface, 'tcp dst 10.0.0.1 host 10.0.0.1').ends.map(({ end }) => end)).toEqual([
    'dropped',
    'delivered',
  ]);
});

test('marks change as the packet goes', () => {
  const save = `*mangle
-A PREROUTING -j MARK --set-xmark 0x5/0xf
-A PREROUTING -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff
-A PREROUTING -j MARK --set-xmark 0x0/0xffffffff
-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xf --ctmask 0xf
-A PREROUTING -j CONNMARK --set-xmark 0x80000000/0x80000000
COMMIT
`;
  const { ends: found } = explain(save, 'tcp in e local mark 0xa0 connmark 0x100');
  expect(found[0]?.packet).toMatchObject({ mark: 0x5, connectionMark: 0x8000_01a5 });
});

test('raw comes before connection tracking; CT --notrack keeps nat out', () => {
  const save = `*raw
-A PREROUTING -m conntrack --ctstate INVALID
-A PREROUTING -m connmark --mark 0x0
-A PREROUTING -p udp -j CT --notrack
COMMIT
*nat
-A PREROUTING -j DNAT --to-destination 10.9.9.9:99
COMMIT
`;
  expect(met(explain(save, 'tcp in e dst 10.0.0.1:1 out f'))).toEqual([
    '+ raw PREROUTING 1',
    '- raw PREROUTING 2',
    '- raw PREROUTING 3',
    '+ nat PREROUTING 1',
  ]);
  expect(ends(explain(save, 'tcp in e src 10.0.0.9:9 dst 10.0.0.1:1 out f'))).toEqual([
    'sent by f from 10.0.0.9:9 to 10.9.9.9:99',
  ]);
  expect(ends(explain(save, 'udp in e src 10.0.0.9:9 dst 10.0.0.1:1 out f'))).toEqual([
    'sent by f from 10.0.0.9:9 to 10.0.0.1:1',
  ]);
});

test('translations are seen by the chains behind them', () => {
  const save = `*nat
-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:8080
-A POSTROUTING -s 10.0.0.0/8 -o docker0 -j MASQUERADE
COMMIT
*filter
:FORWARD DROP
-A FORWARD -d 172.17.0.2/32 -o docker0 -p tcp -m tcp --dport 8080 -m conntrack --ctstate DNAT -j ACCEPT
COMMIT
`;
  const explanation = explain(save, 'tcp src 10.0.0.9:4000 dst 10.0.0.1:80 in eth0 out docker0');
  expect(ends(explanation)).toEqual(['sent by docker0 from ?:4000 to 172.17.0.2:8080']);
  expect(explanation.decided).toBe(true);
  expect(ends(explain(save, 'tcp src 10.0.0.9:4000 dst 10.0.0.1:81 in eth0 out docker0'))).toEqual([
    'dropped by the policy of filter FORWARD',
  ]);
});

test.each([
  { target: 'DNAT --to-destination 10.9.9.9', to: '10.9.9.9:80' },
  { target: 'DNAT --to-destination 10.9.9.9:99 --random', to: '10.9.9.9:99' },
  { target: 'DNAT --to-destination 10.9.9.9:90-99', to: '10.9.9.9' },
  { target: 'DNAT --to-destination 10.9.9.1-10.9.9.9', to: '?:80' },
  { target: 'DNAT --to-destination :99', to: '?:99' },
])('where $target leads', ({ target, to }) => {
  const save = `*nat\n-A PREROUTING -p tcp -j ${target}\nCOMMIT\n`;
  const [end] = explain(save, 'tcp src 10.0.0.9:9 dst 10.0.0.1:80 in e out f').ends;
  expect(end?.packet.destination).toBe(to);
});

test('REDIRECT without a port keeps it; in OUTPUT it leads to the loopback address of the family', () => {
  const save = '*nat\n-A OUTPUT -p tcp -j REDIRECT\nCOMMIT\n';
  expect(ends(explain(save, 'tcp dst 10.0.0.1:80 out e'))).toEqual(['delivered to 127.0.0.1:80 on this machine']);
  expect(ends(explainPacket(parseSave(save, 'ipv6'), parsePacket('tcp out e')))).toEqual([
    'delivered to ::1 on this machine',
  ]);
});

// Facts of the kernel that the comparison with its counters has found.
test('in OUTPUT the interface stays that of the first route, whatever nat did', () => {
  const save =
    '*nat\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1\nCOMMIT\n*filter\n-A OUTPUT -o e\nCOMMIT\n*mangle\n-A POSTROUTING -o lo\nCOMMIT\n';
  expect(met(explain(save, 'tcp dst 10.0.0.1:80 out e'))).toEqual([
    '+ nat OUTPUT 1',
    '+ filter OUTPUT 1',
    '+ mangle POSTROUTING 1',
  ]);
});

test('behind CT --zone a packet looks NEW in raw, and a second CT does nothing', () => {
  const save =
    '*raw\n-A PREROUTING -j CT --zone 1\n-A PREROUTING -m conntrack --ctstate NEW -j CT --notrack\nCOMMIT\n*filter\n-A INPUT -m conntrack --ctstate UNTRACKED\nCOMMIT\n';
  expect(met(explain(save, 'tcp in e local'))).toEqual([
    '+ raw PREROUTING 1',
    '+ raw PREROUTING 2',
    '- filter INPUT 1',
  ]);
});

test('translated to what it was is not translated', () => {
  const save =
    '*nat\n-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1:80\nCOMMIT\n*filter\n-A FORWARD -m conntrack --ctstate DNAT\nCOMMIT\n';
  expect(met(explain(save, 'tcp dst 10.0.0.1:80 in e out f'))).toEqual(['+ nat PREROUTING 1', '- filter FORWARD 1']);
  expect(met(explain(save, 'tcp dst 10.0.0.1:81 in e out f'))).toEqual(['+ nat PREROUTING 1', '+ filter FORWARD 1']);
});

test('a target or chain that is not known may end it or not', () => {
  for (const target of ['NFQUEUE --queue-num 1', 'NOCHAIN']) {
    const explanation = explain(filter(`-A INPUT -j ${target}`, '-A INPUT -j DROP'), 'tcp in e local');
    expect(explanation.ends.map(({ end }) => end)).toEqual(['unknown', 'dropped']);
    expect(explanation.decided).toBe(false);
  }
});

test('more possibilities than can be told are cut, and that is said', () => {
  const marks = Array.from(
    { length: 12 },
    (_, bit) => `-A INPUT -m ttl --ttl-eq ${bit} -j MARK --set-xmark ${hex(2 ** bit)}/${hex(2 ** bit)}`,
  );
  const explanation = explain(filter(...marks), 'tcp in e local');
  expect(explanation.ends.length).toBeLessThanOrEqual(64);
  expect(explanation).toMatchObject({ decided: false });
  expect(explanation.notes.join()).toContain('other ends may exist');
});

test('20,000 rules of which none can be decided', SLOW, () => {
  const rules = Array.from({ length: 20_000 }, (_, index) => `-A INPUT -m set --match-set s${index} src -j DROP`);
  const ruleSet = parseSave(filter(...rules), 'ipv4');
  const elapsedMs = startCpuClock();
  const explanation = explainPacket(ruleSet, parsePacket('tcp src 9.9.9.9:1 dst 10.0.0.1:80 in e local'));
  expect(explanation.ends).toHaveLength(64);
  expect(explanation.ends.at(-1)).toMatchObject({ end: 'delivered' });
  expect(renderExplanation(explanation).length).toBeLessThan(10_000_000);
  expect(elapsedMs()).toBeLessThan(5_000);
});

test.each([
  { ports: '--dport 6000:', port: 6000, met: true },
  { ports: '--dport 6000:', port: 5999, met: false },
  { ports: '--dport :79', port: 79, met: true },
  { ports: '! --dport :79', port: 79, met: false },
])('$ports and port $port: open ranges are decided', ({ ports, port, met: drops }) => {
  const explanation = explain(filter(`-A INPUT -p tcp -m tcp ${ports} -j DROP`), `tcp dst 10.0.0.1:${port} in e local`);
  expect(explanation).toMatchObject({ decided: true, ends: [{ end: drops ? 'dropped' : 'delivered' }] });
});

test('docker and kube-proxy', () => {
  const save = fixture('docker-and-kube-proxy.save');
  const explanation = explain(save, 'tcp src 10.244.0.9:4000 dst 10.96.0.10:53 in eth0');
  expect(renderExplanation(explanation)).toContain('nat KUBE-SERVICES');
  expect(explanation.ends.length).toBeGreaterThan(0);
});

test('20,000 rules', SLOW, () => {
  const rules = Array.from(
    { length: 20_000 },
    (_, index) => `-A INPUT -s 10.${index >> 8}.${index & 255}.0/24 -p tcp -m tcp --dport ${index} -j DROP`,
  );
  const ruleSet = parseSave(filter(...rules), 'ipv4');
  const elapsedMs = startCpuClock();
  const explanation = explainPacket(ruleSet, parsePacket('tcp src 9.9.9.9:1 dst 10.0.0.1:80 in e local'));
  expect(renderExplanation(explanation).split('\n').length).toBeGreaterThan(20_000);
  expect(elapsedMs()).toBeLessThan(5_000);
});

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

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function code(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof IptablesError ? error.code : String(error);
  }
}
