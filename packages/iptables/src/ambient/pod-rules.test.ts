import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AmbientPodOptions,
  buildAmbientPodRules,
  buildListing,
  renderRestore,
  renderSave,
} from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures', name), 'utf8');
const families = (options: Omit<AmbientPodOptions, 'capture'>) => {
  const { v4, v6 } = buildAmbientPodRules({ capture: 'tproxy', ...options });
  if (v6 === undefined) throw new Error('expected IPv6 rules');
  return { v4, v6 };
};

test.each([
  { name: 'tproxy', family: 'v4', dns: false },
  { name: 'tproxy', family: 'v6', dns: false },
  { name: 'tproxy-dns', family: 'v4', dns: true },
  { name: 'tproxy-dns', family: 'v6', dns: true },
] as const)('$name $family is the golden text, as applied and as listed', ({ name, family, dns }) => {
  const ruleSet = families({ dns })[family];
  expect(renderRestore(ruleSet)).toBe(fixture(`${name}.${family}.restore`));
  expect(renderSave(buildListing(ruleSet), { counters: false })).toBe(fixture(`${name}.${family}.save`));
});

const LISTED: readonly { readonly row: string; readonly table: string; readonly dns?: true; readonly text: string }[] =
  [
    { row: '3.1', table: 'mangle', text: '-A PREROUTING -j ISTIO_PRERT' },
    { row: '3.2', table: 'mangle', text: '-A OUTPUT -j ISTIO_OUTPUT' },
    { row: '3.3', table: 'nat', text: '-A OUTPUT -j ISTIO_OUTPUT' },
    { row: '3.4', table: 'raw', dns: true, text: '-A PREROUTING -j ISTIO_PRERT' },
    { row: '3.5', table: 'raw', dns: true, text: '-A OUTPUT -j ISTIO_OUTPUT' },
    {
      row: '3.8',
      table: 'mangle',
      text: '-A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff',
    },
    { row: '14 probe', table: 'mangle', text: '-A ISTIO_PRERT -s P -p tcp -m tcp -j ACCEPT' },
    { row: '14 lo', table: 'mangle', text: '-A ISTIO_PRERT ! -d LO -i lo -p tcp -j ACCEPT' },
    {
      row: '14 15008',
      table: 'mangle',
      text: '-A ISTIO_PRERT -p tcp --dport 15008 -m mark ! --mark 0x539/0xfff -j TPROXY --on-port 15008 --on-ip ANY --tproxy-mark 0x111/0xfff',
    },
    {
      row: '14 known',
      table: 'mangle',
      text: '-A ISTIO_PRERT -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    },
    {
      row: '14 15006',
      table: 'mangle',
      text: '-A ISTIO_PRERT ! -d LO -p tcp -m mark ! --mark 0x539/0xfff -j TPROXY --on-port 15006 --on-ip ANY --tproxy-mark 0x111/0xfff',
    },
    { row: '3.10', table: 'nat', text: '-A ISTIO_OUTPUT -d P -p tcp -m tcp -j ACCEPT' },
    {
      row: '3.12',
      table: 'mangle',
      text: '-A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff',
    },
    {
      row: '3.13',
      table: 'nat',
      dns: true,
      text: '-A ISTIO_OUTPUT ! -o lo -p udp -m mark ! --mark 0x539/0xfff -m udp --dport 53 -j REDIRECT --to-port 15053',
    },
    {
      row: '3.14',
      table: 'nat',
      dns: true,
      text: '-A ISTIO_OUTPUT ! -d LO -p tcp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053',
    },
    {
      row: '3.15',
      table: 'raw',
      dns: true,
      text: '-A ISTIO_OUTPUT -p udp -m mark --mark 0x539/0xfff -m udp --dport 53 -j CT --zone 1',
    },
    {
      row: '3.16',
      table: 'raw',
      dns: true,
      text: '-A ISTIO_PRERT -p udp -m mark ! --mark 0x539/0xfff -m udp --sport 53 -j CT --zone 1',
    },
    { row: '3.17', table: 'nat', text: '-A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT' },
    { row: '3.18', table: 'nat', text: '-A ISTIO_OUTPUT ! -d LO -o lo -j ACCEPT' },
    {
      row: '3.19',
      table: 'nat',
      text: '-A ISTIO_OUTPUT ! -d LO -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001',
    },
  ];

test.each(LISTED)('row $row is in table $table (dns only: $dns)', ({ table, dns, text }) => {
  const v4 = text.replace('LO', '127.0.0.1/32').replace(' P ', ' 169.254.7.127 ').replace('ANY', '0.0.0.0');
  const v6 = text
    .replace('LO', '::1/128')
    .replace(' P ', ' fd16:9254:7127:1337:ffff:ffff:ffff:ffff ')
    .replace('ANY', '::');
  expect(linesOf(renderRestore(families({ dns: true }).v4), table)).toContain(v4);
  expect(linesOf(renderRestore(families({ dns: true }).v6), table)).toContain(v6);
  expect(linesOf(renderRestore(families({}).v4), table).includes(v4)).toBe(dns !== true);
});

test.each([{ dns: true }, { dns: false }])('nothing is built beyond the rows (dns: $dns)', ({ dns }) => {
  const built = families({ dns }).v4.tables.flatMap((table) => [...table.rules]);
  expect(built).toHaveLength(LISTED.filter((row) => dns || row.dns !== true).length);
});

test('raw and nat PREROUTING are not mentioned without dns (3, 14)', () => {
  const text = renderRestore(families({}).v4);
  expect(text).not.toContain('* raw');
  expect(linesOf(text, 'nat').join('\n')).not.toContain('PRERT');
});

test('policy routing is that of section 6', () => {
  const { routing } = buildAmbientPodRules({ capture: 'tproxy' });
  expect(routing).toEqual({ mark: { value: 0x111, mask: 0xfff }, priority: 32_764, table: 100 });
});

test('ipv6: false leaves v6 out', () => {
  expect(buildAmbientPodRules({ capture: 'tproxy', ipv6: false })).not.toHaveProperty('v6');
});

test('probe sources are written as the kernel lists them', () => {
  const { v4, v6 } = families({ probeSources: { v4: '10.0.0.9', v6: 'FD00:0:0::0:09' } });
  expect(renderRestore(v4)).toContain('-s 10.0.0.9 -p tcp');
  expect(renderRestore(v6)).toContain('-s fd00::9 -p tcp');
});

test.each([
  { v4: 'fd00::1' },
  { v4: '10.0.0.1 -j ACCEPT' },
  { v4: '10.0.0.0/8' },
  { v4: '' },
  { v6: '10.0.0.1' },
  { v6: 'fe80::1%eth0' },
])('probe source %o is refused', (probeSources) => {
  expect(() => families({ probeSources })).toThrow(expect.objectContaining({ code: 'IPTABLES_RULE_INVALID' }));
});

const options = fc.record(
  { dns: fc.boolean(), ipv6: fc.boolean(), probeSources: fc.record({ v4: fc.ipV4(), v6: fc.ipV6() }) },
  { requiredKeys: [] },
);

test('the text is stable, and every chain that is declared is used (property)', () => {
  fc.assert(
    fc.property(options, (given) => {
      const built = buildAmbientPodRules({ capture: 'tproxy', ...(given as Omit<AmbientPodOptions, 'capture'>) });
      for (const ruleSet of [built.v4, ...(built.v6 ? [built.v6] : [])]) {
        const text = renderRestore(ruleSet);
        expect(renderRestore(structuredClone(ruleSet))).toBe(text);
        for (const table of ruleSet.tables) {
          const jumps = table.rules.map(({ target }) => (target?.target === 'jump' ? target.chain : ''));
          const names = table.chains.map(({ name }) => name);
          expect(new Set(names).size).toBe(names.length);
          expect(jumps).toEqual(expect.arrayContaining(names));
        }
      }
    }),
  );
});

function linesOf(restore: string, table: string): readonly string[] {
  const start = restore.indexOf(`* ${table}\n`);
  return start === -1 ? [] : restore.slice(start, restore.indexOf('COMMIT', start)).split('\n');
}
