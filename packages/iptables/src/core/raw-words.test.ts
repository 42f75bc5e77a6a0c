import { findRawWords, parseSave } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';

const find = (...lines: readonly string[]) =>
  findRawWords(parseSave(['*filter', ...lines, 'COMMIT', ''].join('\n'), 'ipv4'));

test('words of unknown extensions are compared as written, each once', () => {
  const rule = '-A INPUT -m string --string "a" --algo bm -j NFLOG --nflog-group 5';
  expect(find(rule, rule)).toEqual([
    { table: 'filter', chain: 'INPUT', text: '-m string --string "a" --algo bm' },
    { table: 'filter', chain: 'INPUT', text: '-j NFLOG --nflog-group 5' },
  ]);
});

test.each([
  '-A INPUT -p tcp --syn --dport 22 -m limit --limit 3/minute -j ACCEPT',
  '-A INPUT -m recent --set --name SSH -j ACCEPT',
  '-A INPUT -f -j LOG --log-uid',
  '-A INPUT -p icmp --icmp-type any -m addrtype --src-type LOCAL --limit-iface-in',
])('%s: how it is listed is known', (rule) => {
  expect(find(rule)).toEqual([]);
});

test.each([
  ['filter', '-A INPUT -p icmp', '-m icmp --icmp-type 3/0:5'],
  ['filter', '-A INPUT', '-m addrtype --src-type UN --limit-iface-in'],
  ['filter', '-A INPUT', '-m addrtype --src-type BROADCAST,LOCAL --limit-iface-in'],
  ['nat', '-A PREROUTING -p tcp', '-j DNAT --to-destination 1.1.1.1:0x50'],
] as const)('%s %s %s: a value that is not understood may be listed in another way', (table, rule, text) => {
  const ruleSet = parseSave(`*${table}\n${rule} ${text}\nCOMMIT\n`, 'ipv4');
  expect(findRawWords(ruleSet).map((found) => found.text)).toEqual([text]);
});
