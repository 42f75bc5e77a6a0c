import {
  accept,
  addressType,
  buildRuleSet,
  byChance,
  byTurns,
  comment,
  connectionMark,
  connectionState,
  conntrackZone,
  destination,
  dnat,
  drop,
  fromSocket,
  goBack,
  goTo,
  icmp,
  icmpv6,
  inInterface,
  inSet,
  jump,
  limit,
  log,
  masquerade,
  multiport,
  negate,
  noTrack,
  outInterface,
  ownedByGroup,
  ownedByUser,
  packetMark,
  parseSave,
  protocol,
  rawMatch,
  rawTarget,
  redirect,
  reject,
  renderRestore,
  renderRule,
  restoreMark,
  rule,
  saveMark,
  segmentSize,
  setConnectionMark,
  setMark,
  snat,
  source,
  tcp,
  tproxy,
  udp,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { buildTable } from './table.ts';

const MARK = { value: 1, mask: 0xff };

test('every factory gives the words of iptables', () => {
  const ruleSet = buildRuleSet('ipv4', {
    filter: {
      INPUT: {
        policy: 'DROP',
        rules: [
          rule([connectionState('ESTABLISHED', 'RELATED')], accept()),
          rule([tcp({ to: 22 }), source('10.0.0.0/8'), comment('let us in')], accept()),
          rule([negate(inInterface('lo')), negate(icmp(8))], drop()),
          rule([icmp(3, 4)], goBack()),
          rule([limit(3, 'min', 9), destination('10.0.0.1')], log({ prefix: 'x y', level: 5 })),
          rule([tcp({ from: { first: 1, last: 9 }, to: { not: 80 } }), multiport('tcp', 'source', [1])], jump('MINE')),
          rule([udp({ to: { not: { first: 1, last: 9 } } })], reject('icmp-host-prohibited')),
          rule([addressType('destination', 'LOCAL'), negate(inSet('s', 'src', 'dst'))], reject()),
          rule([]),
        ],
      },
      MINE: { rules: [rule([byChance(0.5)], goTo('OTHER')), rule([byTurns(3, 1), protocol(47)], accept())] },
      OTHER: {},
    },
    nat: {
      POSTROUTING: {
        rules: [
          rule([outInterface('eth+'), fromSocket()], masquerade({ random: 'fully' })),
          rule([ownedByUser(0), negate(ownedByGroup(5, 9)), tcp()], snat('10.0.0.9', { first: 1, last: 2 })),
        ],
      },
      OUTPUT: { rules: [rule([tcp({ flags: 'syn' })], redirect(5)), rule([udp()], dnat('10.0.0.1', 53))] },
    },
    mangle: {
      PREROUTING: {
        rules: [
          rule([tcp(), packetMark(7)], tproxy(1, { onIp: '0.0.0.0', mark: MARK })),
          rule([connectionMark(MARK)], restoreMark()),
          rule([rawMatch('-m ttl --ttl-lt 2')], setMark(MARK)),
          rule([], setConnectionMark(MARK)),
          rule([], saveMark(0xf)),
        ],
      },
      FORWARD: { rules: [rule([tcp({ flags: 'syn' })], segmentSize('path'))] },
    },
    raw: {
      OUTPUT: { rules: [rule([udp()], noTrack()), rule([tcp()], conntrackZone(1)), rule([], rawTarget('TRACE'))] },
    },
  });
  const text = renderRestore(ruleSet);
  expect(text).toBe(`* filter
:INPUT DROP
-N MINE
-N OTHER
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -s 10.0.0.0/8 -m comment --comment "let us in" -j ACCEPT
-A INPUT ! -i lo -p icmp -m icmp ! --icmp-type 8 -j DROP
-A INPUT -p icmp -m icmp --icmp-type 3/4 -j RETURN
-A INPUT -m limit --limit 3/min --limit-burst 9 -d 10.0.0.1 -j LOG --log-prefix "x y" --log-level 5
-A INPUT -p tcp -m tcp --sport 1:9 ! --dport 80 -m multiport --sports 1 -j MINE
-A INPUT -p udp -m udp ! --dport 1:9 -j REJECT --reject-with icmp-host-prohibited
-A INPUT -m addrtype --dst-type LOCAL -m set ! --match-set s src,dst -j REJECT
-A INPUT
-A MINE -m statistic --mode random --probability 0.50000000000 -g OTHER
-A MINE -m statistic --mode nth --every 3 --packet 1 -p 47 -j ACCEPT
COMMIT
* mangle
-A PREROUTING -p tcp -m tcp -m mark --mark 0x7 -j TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xff
-A PREROUTING -m connmark --mark 0x1/0xff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
-A PREROUTING -m ttl --ttl-lt 2 -j MARK --set-xmark 0x1/0xff
-A PREROUTING -j CONNMARK --set-xmark 0x1/0xff
-A PREROUTING -j CONNMARK --save-mark --nfmask 0xf --ctmask 0xf
-A FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
* nat
-A POSTROUTING -o eth+ -m owner --socket-exists -j MASQUERADE --random-fully
-A POSTROUTING -m owner --uid-owner 0 -m owner ! --gid-owner 5-9 -p tcp -m tcp -j SNAT --to-source 10.0.0.9:1-2
-A OUTPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REDIRECT --to-ports 5
-A OUTPUT -p udp -m udp -j DNAT --to-destination 10.0.0.1:53
COMMIT
* raw
-A OUTPUT -p udp -m udp -j CT --notrack
-A OUTPUT -p tcp -m tcp -j CT --zone 1
-A OUTPUT -j TRACE
COMMIT
`);
  expect(parseSave(text, 'ipv4')).toEqual(ruleSet);
});

test('IPv6 has its own ICMP and default answer', () => {
  const ruleSet = buildRuleSet('ipv6', {
    filter: { INPUT: { rules: [rule([icmpv6(128), source('fd00::/8')], accept()), rule([], reject())] } },
  });
  expect(renderRestore(ruleSet)).toContain('-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128 -s fd00::/8 -j ACCEPT\n');
});

test('what the compiler refuses, the check refuses too', () => {
  const invalid = expect.objectContaining({ code: 'IPTABLES_RULE_INVALID' });
  // @ts-expect-error REDIRECT is for nat only
  expect(() => buildRuleSet('ipv4', { filter: { INPUT: { rules: [rule([tcp()], redirect(1))] } } })).toThrow(invalid);
  // @ts-expect-error REJECT is for filter only, also in chains of one's own
  expect(() => buildRuleSet('ipv4', { nat: { MINE: { rules: [rule([], reject())] } } })).toThrow(invalid);
  // @ts-expect-error a chain of one's own has no policy
  expect(() => buildRuleSet('ipv4', { filter: { MINE: { policy: 'DROP' } } })).toThrow(invalid);
  // @ts-expect-error raw has no INPUT, so it would be a chain of one's own
  expect(() => buildRuleSet('ipv4', { raw: { INPUT: { policy: 'DROP' } } })).toThrow(invalid);
  // @ts-expect-error filter has no PREROUTING
  expect(() => buildRuleSet('ipv4', { filter: { PREROUTING: { rules: [rule([], drop())] } } })).toThrow(invalid);
  // @ts-expect-error the kernel's chain is INPUT
  expect(() => buildRuleSet('ipv4', { filter: { input: { rules: [rule([], drop())] } } })).toThrow(invalid);
  // @ts-expect-error there is no such table
  expect(() => buildRuleSet('ipv4', { broute: {} })).toThrow(invalid);
  // @ts-expect-error there is no such family
  expect(() => buildRuleSet('v4', {})).toThrow(invalid);
  // @ts-expect-error rules are made by rule()
  expect(() => buildRuleSet('ipv4', { filter: { INPUT: { rules: [accept()] } } })).toThrow(
    /^filter INPUT: want a list of/,
  );
  // @ts-expect-error a chain is no list
  expect(() => buildRuleSet('ipv4', { filter: { INPUT: [rule([])] } })).toThrow(
    /^filter INPUT: want \{ policy, rules \}/,
  );
  // @ts-expect-error misspelled
  expect(() => buildRuleSet('ipv4', { filter: { INPUT: { rule: [rule([])] } } })).toThrow(invalid);
  // @ts-expect-error no chain can reject
  expect(() => buildRuleSet('ipv4', { filter: { INPUT: { policy: 'REJECT' } } })).toThrow(
    /want the policy ACCEPT or DROP/,
  );
  // @ts-expect-error there is no such family
  expect(() => parseSave('', 'v4')).toThrow(invalid);
  // @ts-expect-error the factory was not called
  expect(() => rule([], accept)).toThrow(/^the target of a rule is a function: call it, accept\(…\)$/);
  // @ts-expect-error the factory was not called
  expect(() => rule([source], accept())).toThrow(/^a match of a rule is a function: call it, source\(…\)$/);
  // @ts-expect-error there is no such match
  expect(() => renderRule({ chain: 'X', matches: [{ match: 'ttl' }] })).toThrow(
    /no match \{"match":"ttl"\} \(rawMatch/,
  );
  // @ts-expect-error there is no such target
  expect(() => buildTable('filter', [], [{ chain: 'X', matches: [], target: { target: 'TEE' } }])).toThrow(invalid);
  // @ts-expect-error a match is no list
  expect(() => rule(source('10.0.0.1'), accept())).toThrow(/wants a list of matches/);
  // @ts-expect-error which port?
  expect(() => negate(tcp({ to: 22 }))).toThrow(/^ports are turned around one by one: tcp\(\{ to: \{ not: 22 \} \}\)$/);
  // @ts-expect-error what would the opposite of a rate be?
  expect(() => negate(limit(3, 'min'))).toThrow(invalid);
  // @ts-expect-error no state is no match
  expect(() => buildRuleSet('ipv4', { filter: { INPUT: { rules: [rule([connectionState()])] } } })).toThrow(invalid);
});

test('names of chains may be known at run time only', () => {
  const name: string = 'MINE';
  const ruleSet = buildRuleSet('ipv4', {
    filter: { INPUT: { policy: 'DROP', rules: [rule([], jump(name))] }, [name]: { rules: [rule([], accept())] } },
  });
  expect(renderRestore(ruleSet)).toContain('-A MINE -j ACCEPT\n');
});

test.each([
  { block: '10.0.0.0/255.0.0.0', prefixLength: 8 },
  { block: '10.0.0.0/0.0.0.0', prefixLength: 0 },
  { block: '10.0.0.1/255.255.255.255', prefixLength: 32 },
  { block: 'fd00::/ffff:ff80::', prefixLength: 25 },
])('$block: a netmask is a prefix length', ({ block, prefixLength }) => {
  expect(source(block)).toMatchObject({ match: 'source', prefixLength });
});

test.each(['10.0.0.0/255.0.255.0', '10.0.0.0/x', '10.0.0.0/', '10.0.0.0/ffff::'])('%s is no block', (block) => {
  expect(() => destination(block)).toThrow(
    expect.objectContaining({
      code: 'IPTABLES_RULE_INVALID',
      message: `${JSON.stringify(block)}: want a prefix length (10.0.0.0/8) or a netmask without gaps (10.0.0.0/255.0.0.0)`,
    }),
  );
});

test('the result is checked', () => {
  expect(() => buildRuleSet('ipv4', { filter: { INPUT: { rules: [rule([], jump('NOWHERE'))] } } })).toThrow(
    /^filter INPUT "-A INPUT -j NOWHERE": chain NOWHERE is not declared$/,
  );
});
