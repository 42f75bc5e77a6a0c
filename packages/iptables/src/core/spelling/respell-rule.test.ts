import { buildListing, parseSave, renderRestore, renderSave } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { startCpuClock } from '../../testing/slow-test.ts';
import { SPELLINGS } from '../../testing/spellings.ts';

const save = (table: string, lines: readonly string[]) => [`*${table}`, '-N OWN', ...lines, 'COMMIT', ''].join('\n');

test.each(SPELLINGS)('$family $table $written is $listed', ({ family = 'ipv4', table = 'filter', written, listed }) => {
  const parsed = parseSave(save(table, [written]), family);
  const asListed = parseSave(save(table, [listed].flat()), family);
  expect(renderSave(buildListing(parsed))).toBe(renderSave(buildListing(asListed)));
  // What was understood stays so when it is written again.
  expect(parseSave(renderRestore(parsed), family)).toEqual(parsed);
  for (const line of [listed].flat()) expect(renderRestore(asListed)).toContain(line);
});

test.each([
  { body: '-s', column: 12, says: 'want a value for -s' },
  { body: '-s ! 10.0.0.1', column: 13, says: 'want a value for -s' },
  { body: '! -s 10.0.0.1,10.0.0.2', column: 15, says: 'a list of addresses cannot be negated' },
  { body: '-s 10.0.0.1,x.example', column: 13, says: 'want the address as a number, not a name' },
  { body: '-s 10.0.0.1,fd00::1', column: 13, says: '"fd00::1" is no address of ipv4' },
  { body: '-d host', column: 13, says: '"host": want the address as a number' },
  { body: '-j ACCEPT -j DROP', column: 20, says: 'a rule has one target only' },
  { body: '-g OWN -j DROP', column: 17, says: 'a rule has one target only' },
  { body: '-j ACCEPT now', column: 20, says: 'want an option, not "now"' },
  { body: '-p tcp now', column: 17, says: 'want an option, not "now"' },
  { body: '-p tcp --dport 22 now', column: 28, says: 'want an option, not "now"' },
  { body: '! -j DROP', column: 12, says: '"!" cannot stand before -j' },
  { body: '-p tcp !', column: 18, says: 'want an option behind "!"' },
  { body: '! ! -p tcp', column: 12, says: 'want an option behind "!"' },
  { body: '-p tcp --dport', column: 24, says: 'want a value for --dport' },
  { body: '-p tcp --tcp-flags SYN', column: 32, says: 'want a value for --tcp-flags' },
  { body: '-p tcp --dport 1 --dport 2', column: 27, says: '--dport is there twice' },
  { body: '-p tcp --tcp-flags SYN SYN --syn', column: 37, says: '--syn cannot be used together with --tcp-flags' },
  { body: '-p tcp --syn --tcp-flags SYN SYN', column: 23, says: '--tcp-flags cannot be used together with --syn' },
  { body: '-j MARK --set-mark 1 --or-mark 2', column: 31, says: '--or-mark cannot be used together with --set-mark' },
  { body: '-j CONNMARK --nfmask 1 --mask 1', column: 33, says: '--mask cannot be used together with --nfmask' },
  { body: '-j CONNMARK --mask 1 --ctmask 1', column: 31, says: '--ctmask cannot be used together with --mask' },
  { body: '-p tcp --dport ssh', column: 25, says: '"ssh": want the port as a number' },
  { body: '-p tcp -m multiport --dports 22,http', column: 39, says: 'want the port as a number' },
  { body: '-m owner --uid-owner root', column: 31, says: 'want the user as a number' },
  { body: '-c 1 2 -j DROP', column: 10, says: 'want counters in front of the rule' },
  { body: '-6 -j DROP', column: 10, says: 'leave this rule out for ipv4' },
])('$body is refused with its place', ({ body, column, says }) => {
  const refusal = { code: 'IPTABLES_SAVE_INVALID', line: 3, column, message: expect.stringContaining(says) };
  expect(() => parseSave(save('filter', [`-A INPUT ${body}`]), 'ipv4')).toThrow(expect.objectContaining(refusal));
});

test.each([
  { lines: ['-I INPUT 0 -j DROP'], line: 3, says: 'want an option, not "0"' },
  { lines: ['-N OWN'], line: 3, says: 'chain OWN is declared twice' },
  { lines: [':OWN - [0:0]'], line: 3, says: 'chain OWN is declared twice' },
  { lines: ['COMMIT', '*filter'], line: 4, says: 'table filter is there twice' },
])('$lines: refused with its place', ({ lines, line, says }) => {
  const refusal = { code: 'IPTABLES_SAVE_INVALID', line, message: expect.stringContaining(says) };
  expect(() => parseSave(save('filter', lines), 'ipv4')).toThrow(expect.objectContaining(refusal));
});

test('addresses of one rule cannot stand for millions', () => {
  const list = Array.from({ length: 70 }, (_, at) => `10.0.0.${at}`).join();
  expect(() => parseSave(save('filter', [`-A INPUT -s ${list} -d ${list}`]), 'ipv4')).toThrow(
    /4900 rules, want at most/,
  );
});

test('a policy that is set again is the last one', () => {
  const [table] = parseSave('*filter\n:INPUT DROP [1:2]\n-P INPUT ACCEPT\nCOMMIT\n', 'ipv4').tables;
  expect(table?.chains).toEqual([{ name: 'INPUT', policy: 'ACCEPT', counters: { packets: 1, bytes: 2 } }]);
});

test.each([
  '-m unheard --of it -j UNHEARD --too',
  '-m unheard --limit 3/minute ! --of it again -p tcp',
  '-m conntrack --ctstate NEW --ctproto 6 -j ACCEPT',
  '-p tcp -m tcp --dport 99999 -j DROP',
  '-p tcp -m tcp --d 80 -j DROP',
  '-p tcp -m tcp --des -j80 -j DROP',
  '-p udp -m udp --so 7 -j DROP',
  '-m recent --set --name SSH --mask 255.255.255.0 --rsource -j ACCEPT',
  '-s 10.0.0.0/255.0.255.0 -m set --match-set a src --return-nomatch -j DROP',
])('%s stays as written', (body) => {
  const text = save('filter', [`-A INPUT ${body}`, `-A INPUT ${body}`]).replace('-N OWN', ':OWN - [0:0]');
  expect(renderSave(parseSave(text, 'ipv4'))).toBe(text);
});

test('a long rule cannot be multiplied by its addresses', () => {
  const addresses = `1.1.1.1${',1.1.1.1'.repeat(63)}`;
  const line = `-A INPUT -s ${addresses} -d ${addresses} -m foo ${'--bar 1 '.repeat(8_000)}`;
  expect(() => parseSave(save('filter', [line]), 'ipv4')).toThrow(/stand for 4096 rules of \d+ characters/);
});

test('a rule of more extensions than any has stays as it is written', () => {
  const line = `-A INPUT -p tcp ${'-m tcp --dpo 5 '.repeat(4_000)}-j ACCEPT`;
  const elapsedMs = startCpuClock();
  expect(renderRestore(parseSave(save('filter', [line]), 'ipv4'))).toContain(line);
  expect(elapsedMs()).toBeLessThan(2_000);
});
