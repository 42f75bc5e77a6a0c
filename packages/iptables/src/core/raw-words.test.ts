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
