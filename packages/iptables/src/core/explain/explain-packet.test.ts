import { explainPacket, IptablesError, parsePacket, parseSave, renderExplanation } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { ends, explain, filter, fixture, met } from '../../testing/explain-save.ts';
import { SLOW, startCpuClock } from '../../testing/slow-test.ts';

const POD = '10.1.1.5';

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
