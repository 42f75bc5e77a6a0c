import fc from 'fast-check';
import { expect, test } from 'vitest';
import { measureCpuMs } from '../testing/cpu-time.ts';
import { parseYamlDocuments } from './yaml-document.ts';

const TEXT = `# two policies
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: web
  annotations: { istio.io/dry-run: "true", a: x, a.b: y }
spec:
  rules:
  - from:
    - source:
        principals: ["*"]
        ipBlocks:
        - 10.0.0.0/8
        - &bad nonsense
    when:
    - key: request.headers[x]
---
---
kind: List
items:
- kind: One
- { kind: Two, bad: *bad }
`;

test('each document and each item of a list is one; empty documents are none', () => {
  const found = parseYamlDocuments('a.yaml', TEXT.replace(', bad: *bad', ''));
  expect(found.map(({ value }) => value)).toMatchObject([
    { kind: 'AuthorizationPolicy', spec: { rules: [{ from: [{ source: { principals: ['*'] } }] }] } },
    { kind: 'One' },
    { kind: 'Two' },
  ]);
  for (const text of ['', '# nothing\n', '---\n', '---\n---\n', 'null\n'])
    expect(parseYamlDocuments('a', text)).toEqual([]);
});

test.each([
  { path: '', place: '2:1' },
  { path: 'kind', place: '3:7' },
  { path: 'spec', place: '7:1' },
  { path: 'spec.rules[0]', place: '9:5' },
  { path: 'spec.rules[0].from[0].source', place: '10:7' },
  { path: 'spec.rules[0].from[0].source.principals[0]', place: '11:22' },
  { path: 'spec.rules[0].from[0].source.ipBlocks[1]', place: '14:16' },
  { path: 'spec.rules[0].when[0].key', place: '16:12' },
  { path: 'metadata.annotations["istio.io/dry-run"]', place: '6:36' },
  { path: 'metadata.annotations[istio.io/dry-run]', place: '6:36' },
  { path: 'metadata.annotations.istio.io/dry-run', place: '6:36' },
  { path: 'metadata.annotations.a.b', place: '6:55' },
  { path: 'metadata.annotations.a', place: '6:47' },
  // What is missing is told at the last that is there.
  { path: 'metadata.namespace', place: '4:1' },
  { path: 'spec.rules[0].from[7].source', place: '9:5' },
  { path: 'spec.rules[0].to', place: '9:5' },
  { path: 'kin', place: '2:1' },
])('$path is at $place', ({ path, place }) => {
  expect(parseYamlDocuments('a.yaml', TEXT)[0]?.locate(path)).toBe(`a.yaml:${place}`);
});

test('an item of a list is located from its own top', () => {
  const second = parseYamlDocuments('l.yaml', 'kind: PodList\nitems:\n- kind: One\n- kind: Two\n  deep: [1, 2]\n')[1];
  expect(second?.locate('deep[1]')).toBe('l.yaml:5:13');
  expect(second?.locate('')).toBe('l.yaml:4:3');
});

test.each([
  { what: 'a byte order mark', text: '\uFEFF{"a": {"b": [1, 2]}}', place: '1:17' },
  { what: 'tabs', text: '{\n\t"a": {\n\t\t"b": [1, 2]\n\t}\n}\n', place: '3:12' },
  { what: 'CRLF', text: 'a:\r\n  b:\r\n  - 1\r\n  - 2\r\n', place: '4:5' },
  { what: 'an alias', text: 'x: &x [1, 2]\na:\n  b: *x\n', place: '1:11' },
  { what: 'a merged map', text: 'x: &x { b: [1, 2] }\na:\n  <<: *x\n', place: '2:1' },
])('with $what', ({ text, place }) => {
  const [document] = parseYamlDocuments('f', text);
  expect(document?.value).toMatchObject({ a: { b: [1, 2] } });
  expect(document?.locate('a.b[1]')).toBe(`f:${place}`);
});

test.each([
  { text: 'a: 1\n---\nb: [1\n', place: 'f:4:1' },
  { text: 'a: 1\na: 2\n', place: 'f:2:1' },
  { text: '{"a": 1,, "b"}\n', place: 'f:1:9' },
  { text: 'a: *nobody\n', place: 'f:1:4' },
  { text: '{a: 1, "1": 1, 1: 2}\n', place: 'f:1:16' },
  { text: 'a: &a\n- *a\n', place: 'f:2:3' },
])('wrong syntax is told with its place: $text', ({ text, place }) => {
  const faults = parseYamlDocuments('f', text).flatMap((document) => document.faults);
  expect(faults[0]?.place).toBe(place);
  expect(faults[0]?.message).toMatch(/^[^\n]+$/);
});

test('what grows without end is refused, not computed', () => {
  const bomb = Array.from({ length: 20 }, (_, index) =>
    index === 0 ? 'a0: &a0 [x, x, x, x, x, x, x, x]' : `a${index}: &a${index} [${`*a${index - 1}, `.repeat(8)}]`,
  ).join('\n');
  expect(parseYamlDocuments('bomb', bomb)).toMatchObject([{ value: undefined, faults: [{ message: /alias/ }] }]);
  const [deep] = parseYamlDocuments('deep', '['.repeat(10_000));
  expect(deep).toMatchObject({ value: undefined });
  expect(deep?.faults.length).toBeGreaterThan(0);
});

test('one value behind many aliases is no attack', () => {
  const [document] = parseYamlDocuments('f', `a: &a web\nb: [${'*a, '.repeat(1000)}]\n`);
  expect(document?.faults).toEqual([]);
  expect(document?.value).toEqual({ a: 'web', b: Array.from({ length: 1000 }, () => 'web') });
});

test.each([
  { text: 'yes', value: true },
  { text: 'on', value: true },
  { text: 'N', value: false },
  { text: '1_000', value: 1000 },
  { text: '010', value: 8 },
  { text: '0x10', value: 16 },
  { text: '08080', value: 8080 },
  { text: '12:30', value: '12:30' },
  { text: '2026-01-31', value: '2026-01-31' },
  { text: '2026-01-31T00:00:00Z', value: '2026-01-31T00:00:00Z' },
  { text: '"yes"', value: 'yes' },
  { text: '~', value: null },
  { text: '1.5', value: 1.5 },
  { text: '10.0.0.0/8', value: '10.0.0.0/8' },
  { text: '2001:db8::1', value: '2001:db8::1' },
  { text: 'cluster.local/ns/a/sa/b', value: 'cluster.local/ns/a/sa/b' },
  { text: '0o17', value: 15 },
  { text: '-0x10', value: -16 },
  { text: '0b11', value: 3 },
  { text: '1.5e3', value: 1500 },
  { text: '1.2.3', value: '1.2.3' },
  { text: '-', value: [null] },
  { text: '-a', value: '-a' },
  { text: '.', value: '.' },
  { text: '+.inf', value: Number.POSITIVE_INFINITY },
  { text: 'y: 1', value: { true: 1 } },
])('in an object, $text is what Kubernetes takes it for', ({ text, value }) => {
  const object = `apiVersion: v1\nkind: x\na:\n  ${text}\n`;
  expect(parseYamlDocuments('f', object)).toMatchObject([{ value: { a: value }, faults: [] }]);
  // In a list, and in a file of another kind.
  const inside = `tests:\n- ${object.replaceAll('\n', '\n  ')}`;
  expect(parseYamlDocuments('f', inside)).toMatchObject([{ value: { tests: [{ a: value }] }, faults: [] }]);
});

test.each([
  { text: 'yes', value: 'yes' },
  { text: 'n', value: 'n' },
  { text: '010', value: 10 },
  { text: '1_000', value: '1_000' },
  { text: 'true', value: true },
  { text: '!Exact web', value: { Exact: 'web' } },
  { text: "!Prefix '80'", value: { Prefix: '80' } },
  { text: '!Suffix 80', value: { Suffix: '80' } },
  { text: '!Presence []', value: { Presence: [] } },
  { text: '!Presence', value: { Presence: [] } },
])('elsewhere, $text is what node proxies take it for', ({ text, value }) => {
  expect(parseYamlDocuments('f', `a: ${text}\n`)).toMatchObject([{ value: { a: value }, faults: [] }]);
});

test('a map with many keys is read, and places in it are found, in time that is proportional', () => {
  const keys = Array.from({ length: 8_000 }, (_, index) => `k${index}: {mode: x}`).join(', ');
  const spentMs = measureCpuMs(() => {
    const [document] = parseYamlDocuments('f', `a: {${keys}}\n`);
    for (let index = 0; index < 8_000; index++) document?.locate(`a.k${index}.mode`);
    expect(document?.locate('a.k1.mode')).toBe('f:1:31');
  });
  // Quadratic, it took six seconds.
  expect(spentMs).toBeLessThan(3_000);
});

test('any text and any path: nothing is thrown', () => {
  const characters = fc.constantFrom(...'{}[]:-?&*!|>\'"#%@`, \n\tab0<~'.split(''));
  fc.assert(
    fc.property(fc.string({ unit: characters, maxLength: 60 }), fc.string(), (text, path) => {
      for (const document of parseYamlDocuments('f', text)) expect(document.locate(path)).toMatch(/^f:\d+:\d+$/);
    }),
    { numRuns: 300 },
  );
});
