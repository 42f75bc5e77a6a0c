import {
  type Explanation,
  explainPacket,
  IptablesError,
  parsePacket,
  parseSave,
  type RuleSet,
  renderExplanation,
} from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SLOW, startCpuClock } from '../../testing/slow-test.ts';

const PACKET = parsePacket('tcp src 10.0.0.1:1 dst 10.0.0.2:2 in eth0 local');

function explain(...lines: readonly string[]): Explanation {
  return explainPacket(parseSave(`*filter\n${lines.join('\n')}\nCOMMIT\n`, 'ipv4'), PACKET);
}

/** Each chain calls the next twice, so there are a power of two ways. */
function ladder(depth: number, last: string): Explanation {
  const names = Array.from({ length: depth }, (_, index) => `D${index}`);
  const calls = names
    .slice(1)
    .flatMap((next, index) => ['a', 'b'].map((set) => `-A D${index} -m set --match-set ${set}${index} src -j ${next}`));
  return explain(...names.map((name) => `:${name} -`), '-A INPUT -j D0', ...calls, `-A D${depth - 1} ${last}`);
}

test.each([
  { last: '-j DROP', ends: ['dropped', 'delivered'] },
  { last: '-j ACCEPT', ends: ['delivered'] },
  { last: '-p udp -j DROP', ends: ['delivered'] },
  { last: '-j MARK --set-mark 7', ends: ['delivered', 'delivered'] },
])('chains that call each other twice are walked a few times each: $last', ({ last, ends }) => {
  const elapsedMs = startCpuClock();
  const explanation = ladder(300, last);
  expect(explanation.ends.map(({ end }) => end)).toEqual(ends);
  expect(explanation.decided).toBe(ends.length === 1);
  expect(explanation.steps.length).toBeLessThan(10_000);
  expect(renderExplanation(explanation)).toContain('walked 5 times before: not again');
  // Walked each time, they would never end.
  expect(elapsedMs()).toBeLessThan(10_000);
});

test('what is known of a chain does not depend on what was settled before its walk', () => {
  const sets = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const calls = sets.map((set) => `-A INPUT -m set --match-set ${set} src -j X`);
  const explanation = explain(':X -', ...calls, '-A X -m set ! --match-set g src -j DROP');
  expect(explanation.ends.map(({ text }) => text)).toEqual([
    'dropped by filter X 1',
    'delivered to 10.0.0.2:2 on this machine',
  ]);
});

test('too many looks at rules: not decided, and the limit is named', SLOW, () => {
  const rule = { chain: 'INPUT', matches: [{ match: 'mark', mark: { value: 0x100, mask: 0x100 } }] } as const;
  const bits = Array.from({ length: 6 }, (_, bit) => {
    const mark = { value: 2 ** bit, mask: 2 ** bit };
    const matches = [{ match: 'raw', text: `-m ttl --ttl-eq ${bit}` }] as const;
    return { chain: 'INPUT', matches, target: { target: 'MARK', mark } } as const;
  });
  const rules = [...bits, ...Array.from({ length: 40_000 }, () => rule)];
  const ruleSet: RuleSet = { family: 'ipv4', tables: [{ name: 'mangle', chains: [], rules }] };
  const explanation = explainPacket(ruleSet, PACKET);
  expect(explanation).toMatchObject({ decided: false, ends: [{ end: 'unknown' }] });
  const text = renderExplanation(explanation);
  expect(text).toMatch(
    /^Not decided: 1 possible end\n1\. not followed beyond mangle INPUT \d+: the limit of 2000000 looks/m,
  );
  expect(text).toContain('Note: the walk ended at its limit: other ends may exist');
});

test('more steps than are told: the end is certain all the same', () => {
  const rules = Array.from({ length: 100_010 }, () => ({
    chain: 'INPUT',
    matches: [{ match: 'protocol', protocol: 'udp' }] as const,
  }));
  const explanation = explainPacket({ family: 'ipv4', tables: [{ name: 'filter', chains: [], rules }] }, PACKET);
  expect(explanation.decided).toBe(true);
  expect(explanation.steps).toHaveLength(100_000);
  expect(explanation.notes.join()).toContain('only the first 100000 steps are told');
});

test('a nest of chains does not print more blanks than text', () => {
  const depth = 3_000;
  const names = Array.from({ length: depth }, (_, index) => `D${index}`);
  const calls = names.slice(1).map((next, index) => `-A D${index} -j ${next}`);
  const explanation = explain(...names.map((name) => `:${name} -`), '-A INPUT -j D0', ...calls);
  expect(renderExplanation(explanation).length).toBeLessThan(depth * 200);
});

const condition = fc.constantFrom(
  '',
  '-p udp ',
  '-m set --match-set s src ',
  '-m set ! --match-set s src ',
  '-m set --match-set t src ',
  '-m mark --mark 0x1 ',
  '-m limit --limit 1/sec ',
);
const target = fc.constantFrom(
  '-j ACCEPT',
  '-j DROP',
  '-j RETURN',
  '-j MARK --set-xmark 0x1/0xffffffff',
  '-j B',
  '-g B',
);
const body = fc.array(
  fc.tuple(condition, target).map((words) => words.join('')),
  { minLength: 1, maxLength: 3 },
);

/** As many chains as calls, so that each is walked. */
function written(calls: readonly string[], a: readonly string[], b: readonly string[], apart: boolean): string[] {
  return calls.flatMap((call, index) => {
    const copy = apart ? `${index}` : '';
    const own = index === 0 || apart;
    const bodies = [
      ...a.map((line) => `-A A${copy} ${line.replace(/ ?(-[jg] B)$/, ` $1${copy}`)}`),
      ...b.filter((line) => !line.endsWith(' B') && !/^-[jg] B/.test(line)).map((line) => `-A B${copy} ${line}`),
    ];
    return [...(own ? [`:A${copy} -`, `:B${copy} -`, ...bodies] : []), `-A INPUT ${call}-j A${copy}`];
  });
}

function endsOf(save: readonly string[]): ReadonlySet<string> {
  return new Set(explain(...save).ends.map(({ text }) => text.replace(/ ([AB])\d* /, ' $1 ')));
}

test('a chain that is known has every end that it has where it is walked each time', SLOW, () => {
  fc.assert(
    fc.property(fc.array(condition, { minLength: 6, maxLength: 10 }), body, body, (calls, a, b) => {
      const [known, walked] = [endsOf(written(calls, a, b, false)), endsOf(written(calls, a, b, true))];
      expect([...walked].filter((end) => !known.has(end))).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

function hosts(count: number): string {
  return `tcp ${'host 10.0.0.1 '.repeat(count)}`;
}

test('host addresses are bounded', () => {
  expect(parsePacket(hosts(256)).hostAddresses).toHaveLength(256);
  const elapsedMs = startCpuClock();
  expect(() => parsePacket(hosts(16_000))).toThrow(IptablesError);
  expect(() => parsePacket(hosts(257))).toThrow(/column 3594: more than 256 host addresses/);
  expect(elapsedMs()).toBeLessThan(500);
});
