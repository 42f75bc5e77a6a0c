import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AmbientPodOptions,
  buildAmbientPodRules,
  buildListing,
  type RuleSet,
  renderRestore,
  renderSave,
} from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const FIXTURES = join(import.meta.dirname, '../../fixtures');
const fixture = (name: string) => readFileSync(join(FIXTURES, name), 'utf8');

/** Deliberately not the default: what the reference's tests use. */
const REFERENCE_PROBES = { v6: 'e9ac:1e77:90ca:399f:4d6d:ece2:2f9b:3164' };

/** Golden files begin with the two commands that inspect, and have no line break at their end. */
const asRecorded = (rules: { readonly v4: RuleSet; readonly v6?: RuleSet }) =>
  `iptables-save\nip6tables-save\n${renderRestore(rules.v4)}${rules.v6 ? renderRestore(rules.v6) : ''}`.trimEnd();

test.each([
  { name: 'default', options: { dns: true, ipv6: false } },
  { name: 'default_ipv6', options: { dns: true } },
  { name: 'dns_pod_disabled_and_on_globally', options: { ipv6: false } },
  { name: 'ingress', options: { ipv6: false, ingress: true } },
])('redirect, $name: the golden file of the reference', ({ name, options }) => {
  const rules = buildAmbientPodRules({ capture: 'redirect', probeSources: REFERENCE_PROBES, ...options });
  expect(asRecorded(rules)).toBe(fixture(`reference/iptables/${name}.golden`));
});

test.each([
  { name: 'tproxy', capture: 'tproxy', dns: false },
  { name: 'tproxy-dns', capture: 'tproxy', dns: true },
  { name: 'redirect-dns', capture: 'redirect', dns: true },
] as const)('$name: what the kernel lists is what is foretold', ({ name, capture, dns }) => {
  const { v4, v6 } = families({ capture, dns });
  for (const [family, ruleSet] of [['v4', v4] as const, ['v6', v6] as const]) {
    expect(renderSave(buildListing(ruleSet), { counters: false })).toBe(fixture(`${name}.${family}.save`));
  }
});

test.each(['tproxy', 'tproxy-dns'])('%s: what is applied is the text written by hand', (name) => {
  const { v4, v6 } = families({ capture: 'tproxy', dns: name === 'tproxy-dns' });
  expect(renderRestore(v4)).toBe(fixture(`${name}.v4.restore`));
  expect(renderRestore(v6)).toBe(fixture(`${name}.v6.restore`));
});

interface Choice {
  readonly capture: 'tproxy' | 'redirect';
  readonly dns: boolean;
  readonly ingress: boolean;
  readonly virtualInterfaces: readonly string[];
}

/** A row of the specification: section 3 by number, section 14 by what it says. */
interface Row {
  readonly row: string;
  readonly table: 'mangle' | 'nat' | 'raw';
  readonly when?: (choice: Choice) => boolean;
  /** `LO`, `P`, `ANY` and `V` stand for the addresses of the family and each virtual interface. */
  readonly text: string | readonly string[];
}

const dnsOn = ({ dns }: Choice) => dns;
const redirected = ({ capture, ingress }: Choice) => capture === 'redirect' && !ingress;
const tproxied = ({ capture, ingress }: Choice) => capture === 'tproxy' && !ingress;
const ROWS: readonly Row[] = [
  { row: '3.1', table: 'mangle', text: '-A PREROUTING -j ISTIO_PRERT' },
  { row: '3.2', table: 'mangle', text: '-A OUTPUT -j ISTIO_OUTPUT' },
  { row: '3.3', table: 'nat', text: '-A OUTPUT -j ISTIO_OUTPUT' },
  { row: '3.4', table: 'raw', when: dnsOn, text: '-A PREROUTING -j ISTIO_PRERT' },
  { row: '3.5', table: 'raw', when: dnsOn, text: '-A OUTPUT -j ISTIO_OUTPUT' },
  {
    row: '3.6',
    table: 'nat',
    // Section 14: absent in the tproxy form, where nothing but virtual interfaces needs it.
    when: ({ capture, virtualInterfaces }) => capture === 'redirect' || virtualInterfaces.length > 0,
    text: '-A PREROUTING -j ISTIO_PRERT',
  },
  {
    row: '3.7',
    table: 'nat',
    text: ['-A ISTIO_PRERT -i V -p tcp -j REDIRECT --to-ports 15001', '-A ISTIO_PRERT -i V -p tcp -j RETURN'],
  },
  {
    row: '3.8',
    table: 'mangle',
    text: '-A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff',
  },
  { row: '3.9', table: 'nat', when: redirected, text: '-A ISTIO_PRERT -s P -p tcp -m tcp -j ACCEPT' },
  { row: 'ours, for 3.7', table: 'mangle', when: tproxied, text: ['-A ISTIO_PRERT -i V -p tcp -j RETURN'] },
  { row: '14 probe', table: 'mangle', when: tproxied, text: '-A ISTIO_PRERT -s P -p tcp -m tcp -j ACCEPT' },
  { row: '14 lo', table: 'mangle', when: tproxied, text: '-A ISTIO_PRERT ! -d LO -i lo -p tcp -j ACCEPT' },
  {
    row: '14 15008',
    table: 'mangle',
    when: tproxied,
    text: '-A ISTIO_PRERT -p tcp --dport 15008 -m mark ! --mark 0x539/0xfff -j TPROXY --on-port 15008 --on-ip ANY --tproxy-mark 0x111/0xfff',
  },
  {
    row: '14 known',
    table: 'mangle',
    when: tproxied,
    text: '-A ISTIO_PRERT -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  },
  {
    row: '14 15006',
    table: 'mangle',
    when: tproxied,
    text: '-A ISTIO_PRERT ! -d LO -p tcp -m mark ! --mark 0x539/0xfff -j TPROXY --on-port 15006 --on-ip ANY --tproxy-mark 0x111/0xfff',
  },
  { row: '3.10', table: 'nat', text: '-A ISTIO_OUTPUT -d P -p tcp -m tcp -j ACCEPT' },
  {
    row: '3.11',
    table: 'nat',
    when: redirected,
    text: '-A ISTIO_PRERT ! -d LO -p tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006',
  },
  {
    row: '3.12',
    table: 'mangle',
    text: '-A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff',
  },
  {
    row: '3.13',
    table: 'nat',
    when: dnsOn,
    text: '-A ISTIO_OUTPUT ! -o lo -p udp -m mark ! --mark 0x539/0xfff -m udp --dport 53 -j REDIRECT --to-port 15053',
  },
  {
    row: '3.14',
    table: 'nat',
    when: dnsOn,
    text: '-A ISTIO_OUTPUT ! -d LO -p tcp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053',
  },
  {
    row: '3.15',
    table: 'raw',
    when: dnsOn,
    text: '-A ISTIO_OUTPUT -p udp -m mark --mark 0x539/0xfff -m udp --dport 53 -j CT --zone 1',
  },
  {
    row: '3.16',
    table: 'raw',
    when: dnsOn,
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

/** Section 4: the order in which each table declares its chains. */
function declaredChains(table: Row['table'], choice: Choice): readonly string[] {
  const [inbound, outbound] = ['-N ISTIO_PRERT', '-N ISTIO_OUTPUT'];
  if (table === 'raw') return [outbound, inbound];
  if (table === 'mangle' || choice.virtualInterfaces.length > 0) return [inbound, outbound];
  if (choice.capture === 'tproxy') return [outbound];
  return choice.ingress ? [outbound, inbound] : [inbound, outbound];
}

function expectedRestore(choice: Choice, addresses: Readonly<Record<string, string>>): string {
  return (['mangle', 'nat', 'raw'] as const)
    .filter((table) => table !== 'raw' || choice.dns)
    .flatMap((table) => {
      const rows = ROWS.filter((row) => row.table === table && row.when?.(choice) !== false);
      const lines = rows.flatMap(({ text }) =>
        typeof text === 'string'
          ? [text]
          : choice.virtualInterfaces.flatMap((name) => text.map((line) => line.replace('-i V', `-i ${name}`))),
      );
      return [`* ${table}`, ...declaredChains(table, choice), ...lines, 'COMMIT'];
    })
    .map((line) => `${line.replaceAll(/\b(LO|P|ANY)\b/g, (key) => addresses[key] ?? '')}\n`)
    .join('');
}

const booleans = [false, true];
const CHOICES: readonly Choice[] = (['redirect', 'tproxy'] as const).flatMap((capture) =>
  booleans.flatMap((dns) =>
    booleans.flatMap((ingress) =>
      [[], ['fake0'], ['virt1', 'tap+', 'br-lan.100']].map((virtualInterfaces) => ({
        capture,
        dns,
        ingress,
        virtualInterfaces,
      })),
    ),
  ),
);

test.each(CHOICES)('$capture, dns $dns, ingress $ingress, interfaces $virtualInterfaces: the rows', (choice) => {
  for (const probeSources of [undefined, { v4: '10.11.12.13', v6: '2001:db8::7' }]) {
    const { v4, v6 } = families({ ...choice, ...(probeSources ? { probeSources } : {}) });
    const P = probeSources ?? { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' };
    expect(renderRestore(v4)).toBe(expectedRestore(choice, { LO: '127.0.0.1/32', ANY: '0.0.0.0', P: P.v4 }));
    expect(renderRestore(v6)).toBe(expectedRestore(choice, { LO: '::1/128', ANY: '::', P: P.v6 }));
    const onlyV4 = buildAmbientPodRules({ ...choice, ipv6: false, ...(probeSources ? { probeSources } : {}) });
    expect(onlyV4).not.toHaveProperty('v6');
    expect(onlyV4.v4).toEqual(v4);
  }
});

test('defaults: no dns, IPv6, no ingress, no virtual interfaces', () => {
  expect(buildAmbientPodRules({ capture: 'redirect' })).toEqual(
    buildAmbientPodRules({ capture: 'redirect', dns: false, ipv6: true, ingress: false, virtualInterfaces: [] }),
  );
});

test('policy routing is that of section 6', () => {
  const { routing } = buildAmbientPodRules({ capture: 'tproxy' });
  expect(routing).toEqual({ mark: { value: 0x111, mask: 0xfff }, priority: 32_764, table: 100 });
});

test('the chains of every form and release are owned', () => {
  const { ownership } = buildAmbientPodRules({ capture: 'redirect' });
  expect(ownership).toEqual({
    chains: Object.fromEntries(['mangle', 'nat', 'raw'].map((table) => [table, ['ISTIO_PRERT', 'ISTIO_OUTPUT']])),
    nftTables: ['nat', 'mangle', 'raw'].map((table) => ({ family: 'inet', name: `istio-ambient-${table}` })),
  });
});

test.each([
  { given: 'FD00:0:0::0:09', written: 'fd00::9' },
  { given: '::ffff:10.0.0.1', written: '::ffff:10.0.0.1' },
  { given: '2001:db8:0:0:1:0:0:1', written: '2001:db8::1:0:0:1' },
])('probe source $given is written as the kernel lists it: $written', ({ given, written }) => {
  const { v6 } = families({ capture: 'tproxy', probeSources: { v6: given } });
  expect(renderRestore(v6)).toContain(`-s ${written} -p tcp`);
});

test.each([
  { v4: 'fd00::1' },
  { v4: '10.0.0.1 -j ACCEPT' },
  { v4: '10.0.0.0/8' },
  { v4: '010.0.0.1' },
  { v4: '' },
  { v6: '10.0.0.1' },
  { v6: 'fe80::1%eth0' },
])('probe source %o is refused', (probeSources) => {
  expect(() => families({ capture: 'redirect', probeSources })).toThrow(
    expect.objectContaining({ code: 'IPTABLES_RULE_INVALID' }),
  );
});

test.each([
  '',
  '+',
  ' ',
  'a b',
  'a\nCOMMIT',
  '-j',
  '!',
  'a"b',
  "a'b",
  'a\\',
  'a/b',
  'a;b',
  'a*',
  '#a',
  'a+b',
  '..',
  'a{b',
  '$a',
  'sixteen-letters-',
])('virtual interface %j is refused', (name) => {
  for (const capture of ['tproxy', 'redirect'] as const)
    expect(() => buildAmbientPodRules({ capture, virtualInterfaces: ['eth1', name] })).toThrow(
      expect.objectContaining({ code: 'IPTABLES_RULE_INVALID', message: expect.stringContaining('virtual interface') }),
    );
});

const options = fc.record(
  {
    dns: fc.boolean(),
    ipv6: fc.boolean(),
    ingress: fc.boolean(),
    probeSources: fc.record({ v4: fc.ipV4(), v6: fc.ipV6() }),
    virtualInterfaces: fc.array(fc.stringMatching(/^[a-z][a-z0-9_-]{0,13}\+?$/), { maxLength: 3 }),
  },
  { requiredKeys: [] },
);

test('the text is stable, and every chain that is declared is used (property)', () => {
  fc.assert(
    fc.property(options, fc.constantFrom('tproxy', 'redirect'), (given, capture) => {
      const built = buildAmbientPodRules({ ...(given as object), capture });
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

/** Any text at all as a name: either refused, or one word of the text, so that nothing can be injected. */
test('a virtual interface adds its own rules and nothing else (property)', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), (name) => {
      let text: string;
      try {
        text = renderRestore(buildAmbientPodRules({ capture: 'redirect', virtualInterfaces: [name] }).v4);
      } catch (error) {
        expect(error).toMatchObject({ code: 'IPTABLES_RULE_INVALID' });
        return;
      }
      const plain = renderRestore(buildAmbientPodRules({ capture: 'redirect' }).v4).split('\n');
      const added = text.split('\n').filter((line) => !plain.includes(line));
      expect(added.map((line) => line.split(' ').length)).toEqual([10, 8]);
    }),
  );
});

function families(given: AmbientPodOptions): { readonly v4: RuleSet; readonly v6: RuleSet } {
  const { v4, v6 } = buildAmbientPodRules(given);
  if (v6 === undefined) throw new Error('expected IPv6 rules');
  return { v4, v6 };
}
