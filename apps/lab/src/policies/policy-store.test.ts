import { expect, test } from 'vitest';
import { DEFAULT_TOPOLOGY } from '../topology/topology.ts';
import { PolicyStore } from './policy-store.ts';

const ALLOW_SLEEP = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'allow-sleep', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'httpbin' } },
    rules: [{ from: [{ source: { principals: ['cluster.local/ns/default/sa/sleep'] } }] }],
  },
};
const NAME = 'AuthorizationPolicy/default/allow-sleep';
const HTTPBIN = { namespace: 'default', labels: { app: 'httpbin' } };

function withRules(rules: unknown): unknown {
  return { ...ALLOW_SLEEP, spec: { ...ALLOW_SLEEP.spec, rules } };
}

test('an object becomes a policy of the workloads it selects, in the namespace default', () => {
  const store = new PolicyStore();
  expect(store.apply([ALLOW_SLEEP])).toEqual({
    changes: [{ object: NAME, change: 'created', notes: [] }],
    refused: [],
  });
  expect(store.conversion.policies).toMatchObject([{ name: 'allow-sleep', namespace: 'default', action: 'Allow' }]);
  expect(store.conversion.policiesOf(HTTPBIN)).toEqual(['default/allow-sleep']);
  expect(store.conversion.policiesOf({ namespace: 'default', labels: {} })).toEqual([]);
  expect(store.list()).toEqual([
    {
      object: NAME,
      effect: 'ALLOW',
      dryRun: false,
      generation: 1,
      accepted: true,
      confirmed: false,
      pods: ['httpbin-1', 'httpbin-2'],
      notes: [],
      refused: [],
    },
  ]);
});

test('a version is confirmed once the ztunnels go by it; one that is refused, or the same once more, changes nothing', () => {
  const store = new PolicyStore();
  const confirmed = () => store.list().map((status) => status.confirmed);
  store.apply([ALLOW_SLEEP]);
  store.apply([ALLOW_SLEEP]);
  expect(confirmed()).toEqual([false]);
  store.published();
  store.apply([ALLOW_SLEEP]);
  store.apply([withRules('x')]);
  expect(confirmed()).toEqual([true]);
  store.apply([withRules([{}])]);
  expect(confirmed()).toEqual([false]);
  store.delete([NAME]);
  store.apply([ALLOW_SLEEP]);
  store.published();
  expect(confirmed()).toEqual([true]);
});

test('a new version counts, the same once more does not', () => {
  const store = new PolicyStore();
  store.apply([ALLOW_SLEEP]);
  expect(store.apply([ALLOW_SLEEP]).changes).toMatchObject([{ change: 'unchanged' }]);
  expect(store.apply([withRules([{}])]).changes).toMatchObject([{ change: 'configured' }]);
  expect(store.list()).toMatchObject([{ generation: 2 }]);
});

test('a malformed version is refused with its path, the previous one stays, the others are taken', () => {
  const store = new PolicyStore();
  store.apply([ALLOW_SLEEP]);
  const before = store.conversion.policies;
  const malformed = withRules([{ from: [{ source: { principal: ['x'] } }] }]);
  const other = { ...ALLOW_SLEEP, metadata: { name: 'other', namespace: 'web' } };
  const { changes, refused } = store.apply([malformed, other]);
  expect(changes).toMatchObject([{ object: 'AuthorizationPolicy/web/other', change: 'created' }]);
  expect(refused).toMatchObject([
    {
      object: NAME,
      index: 0,
      previous: true,
      problems: [{ severity: 'error', path: expect.stringContaining('spec.rules[0].from[0].source') }],
    },
  ]);
  expect(store.conversion.policies).toEqual(expect.arrayContaining([...before]));
  expect(store.list().map(({ object, refused: newer }) => [object, newer.length])).toEqual([
    [NAME, 1],
    ['AuthorizationPolicy/web/other', 0],
  ]);
  store.apply([ALLOW_SLEEP]);
  expect(store.list()[0]?.refused).toEqual([]);
});

test.each([undefined, null, 'text', [], {}, { kind: 'Pod', metadata: { name: 'x' } }])('%j is refused', (value) => {
  const { changes, refused } = new PolicyStore().apply([value]);
  expect(changes).toEqual([]);
  expect(refused).toMatchObject([{ index: 0, previous: false }]);
  expect(refused[0]?.problems.length).toBeGreaterThan(0);
});

test('the author is told of HTTP attributes, and of what is not for ztunnels', () => {
  const store = new PolicyStore();
  const { changes } = store.apply([withRules([{ to: [{ operation: { methods: ['GET'] } }] }])]);
  expect(changes[0]?.notes.join()).toContain('methods');
  const targetRefs = [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'waypoint' }];
  store.apply([{ ...ALLOW_SLEEP, spec: { targetRefs, rules: [] } }]);
  expect(store.list()).toMatchObject([{ accepted: false, notes: [expect.stringContaining('waypoint')] }]);
});

test('the author is told of what selects no pod, and of ports of services', () => {
  const store = new PolicyStore();
  const metadata = { name: 'allow-sleep', namespace: 'defualt' };
  const { changes } = store.apply([
    { ...ALLOW_SLEEP, metadata },
    withRules([{ to: [{ operation: { ports: ['80'] } }] }]),
  ]);
  expect(changes.map(({ notes }) => notes)).toEqual([
    ['selects no pod: there is none in namespace defualt (there are some in default)'],
    [expect.stringContaining('spec.rules[0].to[0].operation.ports[0]: 80 is the port of service httpbin')],
  ]);
  expect(store.list()).toMatchObject([{ pods: ['httpbin-1', 'httpbin-2'] }, { pods: [] }]);
});

test('who names no namespace is told where the object is', () => {
  const { changes } = new PolicyStore().apply([{ ...ALLOW_SLEEP, metadata: { name: 'allow-sleep' } }]);
  expect(changes).toEqual([{ object: NAME, change: 'created', notes: ['names no namespace: it is in default'] }]);
});

test.each(['true', '1'])('a dry run (%s) is passed on as one, and its author told where to look', (annotation) => {
  const store = new PolicyStore();
  const annotations = { 'istio.io/dry-run': annotation };
  const { changes } = store.apply([{ ...ALLOW_SLEEP, metadata: { ...ALLOW_SLEEP.metadata, annotations } }]);
  expect(changes[0]?.notes).toEqual([expect.stringMatching(/^dry run: .*`npx lab denials`/)]);
  expect(store.conversion.policies).toMatchObject([{ dryRun: true }]);
  expect(store.list()).toMatchObject([{ dryRun: true, accepted: true }]);
});

test('the effect of a PeerAuthentication names its ports', () => {
  const store = new PolicyStore();
  const spec = { mtls: { mode: 'STRICT' }, portLevelMtls: { 9000: { mode: 'PERMISSIVE' } } };
  store.apply([{ ...named('a', 'STRICT'), spec: { selector: ALLOW_SLEEP.spec.selector, ...spec } }]);
  expect(store.list()).toMatchObject([{ effect: 'STRICT, 9000 PERMISSIVE' }]);
});

test('of two PeerAuthentications the older one counts, also when it is changed', () => {
  let hour = 0;
  const store = new PolicyStore(DEFAULT_TOPOLOGY, () => {
    hour += 1;
    return new Date(Date.UTC(2026, 0, 1, hour));
  });
  store.apply([named('z', 'STRICT')]);
  store.apply([named('a', 'PERMISSIVE')]);
  expect(store.conversion.policiesOf(HTTPBIN)).toEqual(['istio-system/istio_converted_static_strict']);
  store.apply([named('z', 'PERMISSIVE')]);
  store.apply([named('a', 'STRICT')]);
  expect(store.conversion.policiesOf(HTTPBIN)).toEqual([]);
  expect(store.list()).toMatchObject([{ effect: 'STRICT' }, { effect: 'PERMISSIVE' }]);
});

function named(name: string, mode: string): object {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name },
    spec: { mtls: { mode } },
  };
}

test('objects are removed by name, all or none', () => {
  const store = new PolicyStore();
  store.apply([ALLOW_SLEEP]);
  const message = `PeerAuthentication/default/x: no such policy (there are ${NAME})`;
  expect(() => store.delete(['ap/default/allow-sleep', 'pa/default/x'])).toThrow(
    expect.objectContaining({ code: 'LAB_NAME_UNKNOWN', message: `${message}; none is deleted` }),
  );
  expect(() => store.delete(['pa/default/x'])).toThrow(expect.objectContaining({ message }));
  for (const name of ['x', 'Pod/default/x', 'ap/default', 'ap//x', 'ap/default/x/y'])
    expect(() => store.delete([name])).toThrow(expect.objectContaining({ code: 'LAB_ARGUMENT_INVALID' }));
  expect(store.list()).toHaveLength(1);
  expect(store.delete(['ap/default/allow-sleep'])).toEqual([{ object: NAME, change: 'deleted', notes: [] }]);
  expect(store.conversion.policies).toEqual([]);
});

test('an object that was refused from the first is listed, until it is taken or deleted', () => {
  const store = new PolicyStore();
  const malformed = { ...ALLOW_SLEEP, spec: { action: 'FORBID' } };
  const other = { ...malformed, metadata: { name: 'other' } };
  store.apply([malformed, other, { kind: 'AuthorizationPolicy' }]);
  const never = { effect: '-', dryRun: false, generation: 0, accepted: false, confirmed: false, pods: [], notes: [] };
  expect(store.list()).toEqual([
    { object: NAME, ...never, refused: [expect.objectContaining({ path: 'spec.action' })] },
    { object: 'AuthorizationPolicy/default/other', ...never, refused: [expect.objectContaining({})] },
  ]);
  expect(store.apply([malformed]).refused).toMatchObject([{ previous: false }]);
  expect(store.apply([ALLOW_SLEEP]).changes).toMatchObject([{ change: 'created' }]);
  expect(store.list()[0]).toMatchObject({ generation: 1, refused: [] });
  expect(store.delete(['ap/default/other'])).toMatchObject([{ change: 'deleted' }]);
  expect(store.list()).toHaveLength(1);
});

test('what was deleted can be deleted again until the ztunnels are known to go by it', () => {
  const store = new PolicyStore();
  store.apply([ALLOW_SLEEP]);
  const deleted = [{ object: NAME, change: 'deleted', notes: [] }];
  expect(store.delete([NAME])).toEqual(deleted);
  expect(store.delete([NAME])).toEqual(deleted);
  store.published();
  expect(() => store.delete([NAME])).toThrow(expect.objectContaining({ code: 'LAB_NAME_UNKNOWN' }));
});

test('so can what was never taken', () => {
  const store = new PolicyStore();
  store.apply([{ ...ALLOW_SLEEP, spec: { action: 'FORBID' } }]);
  const deleted = [{ object: NAME, change: 'deleted', notes: [] }];
  expect(store.delete([NAME])).toEqual(deleted);
  expect(store.delete([NAME])).toEqual(deleted);
  store.published();
  expect(() => store.delete([NAME])).toThrow(expect.objectContaining({ code: 'LAB_NAME_UNKNOWN' }));
});
