import fc from 'fast-check';
import { expect, test } from 'vitest';
import { policyKey } from '../evaluation/policy-key.ts';
import { compile } from '../evaluation/policy-set.ts';
import type { Connection, SourceIdentity } from '../policy.ts';
import { measureCpuMs } from '../testing/cpu-time.ts';
import { convertPolicies } from './convert-policies.ts';
import { findObjectProblems } from './find-object-problems.ts';
import { findShadowed } from './find-shadowed.ts';
import type { PeerAuthentication, PeerAuthenticationMode } from './policy-object.ts';

const ROOT = 'root';
const IDENTITY: SourceIdentity = { trustDomain: 'td', namespace: 'n', serviceAccount: 'a' };
const STATIC = `${ROOT}/istio_converted_static_strict`;

type Modes = { readonly [port: string]: PeerAuthenticationMode };

interface Sketch {
  readonly name: string;
  readonly namespace: string;
  readonly created?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly mode?: PeerAuthenticationMode;
  readonly ports?: Modes;
}

const build = ({ name, namespace, created, labels, mode, ports }: Sketch): PeerAuthentication => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name, namespace, ...(created !== undefined && { creationTimestamp: created }) },
  spec: {
    ...(labels !== undefined && { selector: { matchLabels: labels } }),
    ...(mode !== undefined && { mtls: { mode } }),
    ...(ports !== undefined && {
      portLevelMtls: Object.fromEntries(Object.entries(ports).map(([port, each]) => [port, { mode: each }])),
    }),
  },
});

const connect = (identity: SourceIdentity | undefined, port: number): Connection => ({
  identity,
  sourceIp: '10.0.0.1',
  destinationIp: '10.0.0.2',
  destinationPort: port,
});

interface Workload {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Which connections pass, by the policies that the objects are converted to. */
function judge(objects: readonly PeerAuthentication[], workload: Workload) {
  const { policies, policiesOf } = convertPolicies(objects, { rootNamespace: ROOT });
  const keys = policiesOf(workload);
  const set = compile(policies);
  const target = { namespace: workload.namespace, authorizationPolicies: keys };
  return {
    keys,
    passes: (identity: SourceIdentity | undefined, port: number) =>
      set.evaluate(connect(identity, port), target).allowed,
  };
}

/** What PeerAuthentication means, said once more and plainly: the narrowest mode that is set holds. */
function takesPlainText(sketches: readonly Sketch[], { namespace, labels }: Workload, port: number): boolean {
  const byAge = sketches.toSorted(
    (left, right) =>
      Date.parse(left.created ?? '1970-01-01') - Date.parse(right.created ?? '1970-01-01') ||
      (left.name < right.name ? -1 : 1),
  );
  const isWide = (sketch: Sketch) => Object.keys(sketch.labels ?? {}).length === 0;
  const mesh = byAge.find((sketch) => isWide(sketch) && sketch.namespace === ROOT);
  const around = byAge.find((sketch) => isWide(sketch) && sketch.namespace === namespace);
  const own = byAge.find(
    (sketch) =>
      !isWide(sketch) &&
      sketch.namespace === namespace &&
      namespace !== ROOT &&
      Object.entries(sketch.labels ?? {}).every(([name, value]) => labels[name] === value),
  );
  const modes = [own?.ports?.[port], own?.mode, around?.mode, mesh?.mode];
  return modes.find((mode) => mode !== undefined && mode !== 'UNSET') !== 'STRICT';
}

const mode = fc.constantFrom<PeerAuthenticationMode>('UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT');
const labels = fc.constantFrom<Readonly<Record<string, string>>>(
  {},
  { app: 'a' },
  { app: 'b' },
  { app: 'a', tier: 'x' },
);
const sketch: fc.Arbitrary<Sketch> = fc.record(
  {
    name: fc.constantFrom('p', 'q', 'r', 's'),
    namespace: fc.constantFrom(ROOT, 'n', 'n', 'm'),
    created: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-01T01:00:00+01:00', '2025-12-31T00:00:00Z'),
    labels,
    mode,
    ports: fc.dictionary(fc.constantFrom('80', '443', '9090'), mode, { maxKeys: 3 }),
  },
  { requiredKeys: ['name', 'namespace'] },
);
const sketches = fc.uniqueArray(sketch, { maxLength: 7, selector: ({ name, namespace }) => `${namespace}/${name}` });
const workload: fc.Arbitrary<Workload> = fc.record({ namespace: fc.constantFrom(ROOT, 'n', 'm', 'other'), labels });

test('plain text passes where the narrowest mode says so; who has an identity always does; nothing named is missing', () => {
  fc.assert(
    fc.property(sketches, workload, (drafts, target) => {
      const { keys, passes } = judge(drafts.map(build), target);
      expect(keys).toEqual([...new Set(keys)].toSorted());
      for (const port of [80, 443, 9090, 7]) {
        expect({ port, passes: passes(undefined, port) }).toEqual({
          port,
          passes: takesPlainText(drafts, target, port),
        });
        expect(passes(IDENTITY, port)).toBe(true);
      }
    }),
    { numRuns: 400 },
  );
});

test('the order of the objects makes no difference', () => {
  fc.assert(
    fc.property(sketches, workload, (drafts, target) => {
      const objects = drafts.map(build);
      expect(judge(objects.toReversed(), target).keys).toEqual(judge(objects, target).keys);
    }),
    { numRuns: 100 },
  );
});

const A = { app: 'a' };

/** Corners in which the reference names a policy that it never sends, or forgets a port (spec istiod.md §6.3, §6.4 Q). */
test.each<{ corner: string; drafts: readonly Sketch[]; open: readonly number[]; closed: readonly number[] }>([
  {
    corner: 'mesh STRICT, workload PERMISSIVE, port STRICT',
    drafts: [
      { name: 'm', namespace: ROOT, mode: 'STRICT' },
      { name: 'w', namespace: 'n', labels: A, mode: 'PERMISSIVE', ports: { 9090: 'STRICT' } },
    ],
    open: [80],
    closed: [9090],
  },
  {
    corner: 'mesh STRICT, workload DISABLE, port STRICT',
    drafts: [
      { name: 'm', namespace: ROOT, mode: 'STRICT' },
      { name: 'w', namespace: 'n', labels: A, mode: 'DISABLE', ports: { 9090: 'STRICT' } },
    ],
    open: [80],
    closed: [9090],
  },
  {
    corner: 'mesh STRICT, namespace UNSET, port PERMISSIVE',
    drafts: [
      { name: 'm', namespace: ROOT, mode: 'STRICT' },
      { name: 'n', namespace: 'n', mode: 'UNSET' },
      { name: 'w', namespace: 'n', labels: A, ports: { 9090: 'PERMISSIVE' } },
    ],
    open: [9090],
    closed: [80],
  },
  {
    corner: 'namespace STRICT, port DISABLE',
    drafts: [
      { name: 'n', namespace: 'n', mode: 'STRICT' },
      { name: 'w', namespace: 'n', labels: A, ports: { 9090: 'DISABLE', 8080: 'STRICT' } },
    ],
    open: [9090],
    closed: [80, 8080],
  },
  {
    corner: 'mesh STRICT, namespace PERMISSIVE, workload STRICT, port PERMISSIVE',
    drafts: [
      { name: 'm', namespace: ROOT, mode: 'STRICT' },
      { name: 'n', namespace: 'n', mode: 'PERMISSIVE' },
      { name: 'w', namespace: 'n', labels: A, mode: 'STRICT', ports: { 9090: 'PERMISSIVE', 7: 'UNSET' } },
    ],
    open: [9090],
    closed: [80, 7],
  },
])('$corner', ({ drafts, open, closed }) => {
  const { keys, passes } = judge(drafts.map(build), { namespace: 'n', labels: A });
  expect(keys).toEqual(['n/converted_peer_authentication_w']);
  for (const port of open) expect(passes(undefined, port)).toBe(true);
  for (const port of closed) expect(passes(undefined, port)).toBe(false);
});

test('of two for the same workloads the older counts, of the same age the first by name', () => {
  const strict: Sketch = { name: 'y', namespace: 'n', created: '2026-01-02T00:00:00Z', mode: 'STRICT' };
  const open: Sketch = { name: 'z', namespace: 'n', created: '2026-01-02T00:00:00Z', mode: 'PERMISSIVE' };
  const target = { namespace: 'n', labels: {} };
  const keysOf = (...drafts: readonly Sketch[]) => judge(drafts.map(build), target).keys;
  expect(keysOf(open, strict)).toEqual([STATIC]);
  expect(keysOf({ ...open, created: '2026-01-01T23:59:59Z' }, strict)).toEqual([]);
  // An object that never was in a cluster is older than all that were.
  expect(keysOf(strict, { name: 'z', namespace: 'n', mode: 'PERMISSIVE' })).toEqual([]);
  expect(keysOf({ ...open, name: 'x' }, strict)).toEqual([]);
});

test('ports that are none are left out, so that no policy is named for them', () => {
  const object = build({
    name: 'w',
    namespace: 'n',
    labels: A,
    ports: { 0: 'STRICT', 65536: 'STRICT', http: 'STRICT', '-1': 'STRICT' },
  });
  expect(judge([object], { namespace: 'n', labels: A }).keys).toEqual([]);
  expect(findObjectProblems(object).map(({ path }) => path)).toEqual([
    'spec.portLevelMtls["0"]',
    'spec.portLevelMtls["65536"]',
    'spec.portLevelMtls["http"]',
    'spec.portLevelMtls["-1"]',
  ]);
});

test('of many objects the oldest is found in time that is proportional', () => {
  const objects = Array.from({ length: 10_000 }, (_, index) =>
    build(index % 2 === 0 ? { name: `p${index}`, namespace: 'n' } : { name: `p${index}`, namespace: 'n', labels: A }),
  );
  const spentMs = measureCpuMs(() => {
    expect(convertPolicies(objects, { rootNamespace: ROOT }).policies.map(policyKey)).toEqual([STATIC]);
  });
  // Quadratic, it took several seconds.
  expect(spentMs).toBeLessThan(1_500);
});

test('the last port is one', () => {
  const object = build({ name: 'w', namespace: 'n', labels: A, ports: { 65535: 'STRICT' } });
  const { passes } = judge([object], { namespace: 'n', labels: A });
  expect([passes(undefined, 65_535), passes(undefined, 65_534)]).toEqual([false, true]);
});

test('an object of the root namespace that selects workloads becomes nothing', () => {
  const object = build({ name: 'w', namespace: ROOT, labels: A, ports: { 80: 'STRICT' } });
  expect(convertPolicies([object], { rootNamespace: ROOT }).policies.map(policyKey)).toEqual([STATIC]);
});

test('an empty selector is for the whole namespace; what is made of it is as recorded, and nobody names it', () => {
  const object = build({ name: 'w', namespace: 'n', labels: {}, mode: 'STRICT', ports: { 80: 'PERMISSIVE' } });
  const [made] = convertPolicies([object], { rootNamespace: ROOT }).policies;
  expect(made?.rules).toEqual([[[{ notPrincipals: [{ kind: 'presence' }] }], [{ notDestinationPorts: [80] }]]]);
  expect(judge([object], { namespace: 'n', labels: A }).keys).toEqual([STATIC]);
});

test('an object that never counts is found by what counts instead', () => {
  const drafts: readonly Sketch[] = [
    { name: 'x', namespace: 'n', labels: { app: 'a', tier: 'x' } },
    { name: 'w', namespace: 'n', labels: { tier: 'x', app: 'a' } },
    { name: 'v', namespace: 'n', labels: { app: 'a' } },
    { name: 'u', namespace: 'm', labels: { app: 'a' } },
    { name: 't', namespace: 'n' },
    { name: 's', namespace: 'n', labels: {}, created: '2026-01-01T00:00:00Z' },
  ];
  const found = [...findShadowed(drafts.map(build))].map(([object, by]) => [object.metadata.name, by.metadata.name]);
  expect(found).toEqual([
    ['x', 'w'],
    ['s', 't'],
  ]);
});

test.each([
  ['of the mesh', { mesh: 'STRICT' }, ['root/mesh']],
  ['of the namespace', { namespace: 'STRICT' }, ['n/namespace']],
  [
    'each that suffices, the narrowest first',
    { mesh: 'STRICT', namespace: 'STRICT', own: 'STRICT' },
    ['n/own', 'n/namespace', 'root/mesh'],
  ],
  ['UNSET says nothing', { mesh: 'STRICT', namespace: 'UNSET', own: 'UNSET' }, ['root/mesh']],
  ['not those that a narrower one overrules', { mesh: 'STRICT', namespace: 'PERMISSIVE', own: 'STRICT' }, ['n/own']],
  ['none', { mesh: 'STRICT', namespace: 'STRICT', own: 'DISABLE' }, []],
  ['none of others', { mesh: 'PERMISSIVE', other: 'STRICT' }, []],
] as const)('strictBy: %s', (_name, modes: { readonly [name: string]: PeerAuthenticationMode }, keys) => {
  const places: Readonly<Record<string, Omit<Sketch, 'name' | 'mode'>>> = {
    mesh: { namespace: ROOT },
    namespace: { namespace: 'n' },
    own: { namespace: 'n', labels: { app: 'a' } },
    other: { namespace: 'n', labels: { app: 'b' } },
  };
  const objects = Object.entries(modes).map(([name, is]) => build({ namespace: '', ...places[name], name, mode: is }));
  const { strictBy } = convertPolicies(objects, { rootNamespace: ROOT });
  expect(strictBy({ namespace: 'n', labels: { app: 'a' } })).toEqual(keys);
});

test('strictBy: for the root namespace its object counts once', () => {
  const { strictBy } = convertPolicies([build({ name: 'mesh', namespace: ROOT, mode: 'STRICT' })], {
    rootNamespace: ROOT,
  });
  expect(strictBy({ namespace: ROOT, labels: {} })).toEqual(['root/mesh']);
});
