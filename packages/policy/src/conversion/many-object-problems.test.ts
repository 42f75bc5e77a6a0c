import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PolicyError } from '../errors.ts';
import { measureCpuMs } from '../testing/cpu-time.ts';
import { findObjectProblems } from './find-object-problems.ts';
import { readPolicyObject } from './read-policy-object.ts';

const HEAD = { apiVersion: 'security.istio.io/v1', metadata: { name: 'p', namespace: 'shop' } };
const ap = (spec: unknown) => ({ ...HEAD, kind: 'AuthorizationPolicy', spec });
const pa = (spec: unknown) => ({ ...HEAD, kind: 'PeerAuthentication', spec });
const RULE = 'spec.rules[0]';
const LABELLED = { matchLabels: { app: 'a' } };

test('every mistake is told at once, of structure first', () => {
  const rules = [
    { from: [{ source: { ipBlocks: [1], principals: ['spiffe://a'] } }], to: 3 },
    { when: [{ key: 'source.ips', values: ['x'] }, { values: [] }] },
    { from: [{ source: { ipBlocks: ['x'], namespaces: 'a' } }], to: [] },
  ];
  const problems = findObjectProblems(
    ap({ action: 'custom', provider: { name: 'x' }, selector: { matchLabels: 1 }, rules }),
  );
  expect(problems.map(({ path }) => path)).toEqual([
    'spec.selector.matchLabels',
    'spec.action',
    `${RULE}.from[0].source.ipBlocks[0]`,
    `${RULE}.to`,
    'spec.rules[1].when[1].key',
    'spec.rules[2].from[0].source.namespaces',
    'spec.rules[1].when[0].key',
    'spec.rules[2].from[0].source.ipBlocks[0]',
    'spec.rules[2].to',
  ]);
});

const pathsIn = (value: unknown) => findObjectProblems(value).map(({ path }) => path);

test('what hangs on a part that cannot be read is not told', () => {
  expect(pathsIn(pa({ selector: 7, portLevelMtls: { 80: {} } }))).toEqual(['spec.selector']);
  expect(pathsIn(pa({ selector: { matchLabels: 7 }, portLevelMtls: { 0: {} } }))).toEqual([
    'spec.selector.matchLabels',
  ]);
});

test('objects with many fields are looked at in time that is proportional', () => {
  const ports: { [port: string]: unknown } = {};
  for (let port = 0; port <= 40_000; port++) ports[port] = { mode: port % 8 === 0 ? 'ON' : 'STRICT' };
  const spentMs = measureCpuMs(() => {
    expect(findObjectProblems(pa({ selector: LABELLED, portLevelMtls: ports, x: {} }))).toHaveLength(5003);
  });
  // About 0.4 s; quadratic, it took five seconds.
  expect(spentMs).toBeLessThan(2_500);
});

test('any data: nothing but POLICY_INVALID is thrown, and just if there is an error of structure', () => {
  const keys = ['principals', 'from', 'source', 'rules', 'selector', 'matchLabels', 'mtls', 'mode', 'key', '__proto__'];
  const inside = fc.anything({ key: fc.constantFrom(...keys), maxDepth: 6 });
  const object = fc.record({
    apiVersion: fc.constantFrom('security.istio.io/v1', 'v1'),
    kind: fc.constantFrom('AuthorizationPolicy', 'PeerAuthentication'),
    metadata: fc.oneof(fc.constant({ name: 'a' }), inside),
    spec: fc.oneof(inside, fc.record({ rules: fc.array(fc.record({ from: inside, when: inside })) })),
  });
  fc.assert(
    fc.property(fc.oneof(object, fc.anything()), (value) => {
      const problems = findObjectProblems(value);
      try {
        readPolicyObject(value);
      } catch (error) {
        if (!(error instanceof PolicyError)) throw error;
        expect(problems.slice(0, error.problems.length)).toEqual(error.problems);
      }
    }),
    { numRuns: 500 },
  );
});
