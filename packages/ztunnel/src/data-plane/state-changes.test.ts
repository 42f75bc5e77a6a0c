import type { Policy } from '@ambientmesh/policy';
import { expect, test } from 'vitest';
import { workload } from '../state/fixtures.ts';
import type { StateChange } from './protocol.ts';
import { StateChanges } from './state-changes.ts';
import { soon } from './testing/soon.ts';
import { createTestPod } from './testing/test-pod.ts';

const server = workload({ name: 'server', authorizationPolicies: ['default/named'] });

function policy(name: string, over: Partial<Policy> = {}): Policy {
  return { name, namespace: 'default', scope: 'Namespace', action: 'Deny', dryRun: false, rules: [], ...over };
}

/** A pod that counts how often it is told that what governs it has changed. */
function governed(changes: readonly StateChange[]) {
  const made = createTestPod();
  let [told, asked] = [0, 0];
  const pods = [{ info: made.pod.info, authorization: { changed: () => void told++ } }];
  const list = () => {
    asked++;
    return pods;
  };
  const state = new StateChanges(made.context, list);
  state.apply([{ type: 'workload', workload: server, endpoints: [] }, ...changes]);
  told = asked = 0;
  return { made, state, pods, told: () => told, asked: () => asked };
}

const put = (...args: Parameters<typeof policy>): StateChange => ({ type: 'policy', policy: policy(...args) });
const remove = (key: string): StateChange => ({ type: 'policy-removed', key });
const record = (over: Partial<typeof server>): StateChange => {
  return { type: 'workload', workload: { ...server, ...over }, endpoints: [] };
};

test.each([
  { what: 'a policy of its namespace', change: put('p'), told: 1 },
  { what: 'a policy of another namespace', change: put('p', { namespace: 'other' }), told: 0 },
  { what: 'a global policy', change: put('p', { namespace: 'other', scope: 'Global' }), told: 1 },
  { what: 'a policy of the namespace without a name', change: put('p', { namespace: '' }), told: 1 },
  { what: 'a policy that it names', change: put('named', { scope: 'WorkloadSelector' }), told: 1 },
  { what: 'a policy that others name', change: put('p', { scope: 'WorkloadSelector' }), told: 0 },
  { what: 'one that leaves its namespace', before: put('p'), change: put('p', { scope: 'WorkloadSelector' }), told: 1 },
  { what: 'one of its namespace is gone', before: put('p'), change: remove('default/p'), told: 1 },
  { what: 'one that nobody knew is gone', change: remove('default/named'), told: 0 },
  { what: 'it names another', change: record({ authorizationPolicies: ['default/other'] }), told: 1 },
  { what: 'it names none', change: record({ authorizationPolicies: [] }), told: 1 },
  { what: 'its record is the same in that', change: record({ healthy: false }), told: 0 },
  { what: 'its record is gone', change: { type: 'workload-removed', uid: server.uid }, told: 1 },
  {
    what: 'the record of another',
    change: record({ uid: 'o', name: 'other', authorizationPolicies: [] }),
    told: 0,
  },
] satisfies { what: string; before?: StateChange; change: StateChange; told: number }[])(
  '$what: told $told times',
  ({ before, change, told }) => {
    const pod = governed(before === undefined ? [] : [before]);
    pod.state.apply([change]);
    expect(pod.told()).toBe(told);
  },
);

test('a large batch is told of once, and the pods are gone through once', () => {
  const { state, told, asked } = governed([]);
  const policies = Array.from({ length: 100 }, (_, index) => put(`p${index}`));
  const records = Array.from({ length: 100 }, (_, index) => record({ authorizationPolicies: [`default/p${index}`] }));
  state.apply([...policies, ...records]);
  expect([told(), asked()]).toEqual([1, 1]);
});

test('a batch after which its record is as before is none of its business', () => {
  const { state, told } = governed([]);
  state.apply([record({ authorizationPolicies: [] }), { type: 'workload-removed', uid: server.uid }, record({})]);
  expect(told()).toBe(0);
});

test('of two records the one that counted gets another name: the other counts', () => {
  const second = record({ uid: `${server.uid}-2`, authorizationPolicies: ['default/other'] });
  const { made, state, told } = governed([second]);
  const counts = () => made.state.workloadOfPod(made.pod.info)?.authorizationPolicies;
  expect(counts()).toEqual(['default/named']);
  state.apply([record({ name: 'elsewhere' })]);
  expect([counts(), told()]).toEqual([['default/other'], 1]);
});

test('a malformed policy is refused, the one before stays in force, and the rest of the batch counts', () => {
  const { made, state } = governed([put('p')]);
  const malformed = policy('p', { rules: [[[{ sourceIps: [{ address: 'nowhere', length: 8 }] }]]] });
  state.apply([{ type: 'policy', policy: malformed }, put('q')]);
  const { policies } = made.context;
  expect([policies.get('default/p')?.action, policies.get('default/q')?.action]).toEqual(['Deny', 'Deny']);
  expect(made.lines()).toEqual([expect.stringMatching(/^error\tstate\tpolicy default\/p refused: .*nowhere/)]);
});

const connection = { identity: undefined, sourceIp: '10.0.0.1', destinationIp: '10.0.0.2', destinationPort: 80 };

/** What becomes of a connection to the pod now. */
function judge({ context, pod, state }: ReturnType<typeof createTestPod>): string {
  const target = state.workloadOfPod(pod.info);
  if (target === undefined) return 'unknown';
  const { allowed, reason } = context.policies.evaluate(connection, target);
  return allowed ? 'allowed' : reason;
}

const openToAll: Partial<Policy> = { action: 'Allow', scope: 'WorkloadSelector', rules: [[]] };

test('of a batch in parts nobody sees anything before the last; then all of it is there, and told once', () => {
  const { made, state, told } = governed([put('named', openToAll)]);
  expect(judge(made)).toBe('allowed');
  for (const part of [
    [put('named', { rules: [[]] })],
    [{ type: 'policy-removed', key: 'default/named' }, record({ ips: ['10.0.0.2'] })],
    [record({ authorizationPolicies: [] }), { type: 'workload-removed', uid: server.uid }],
    [put('late', { rules: [[]], scope: 'Global' })],
  ] satisfies StateChange[][]) {
    state.stage(part);
    expect(judge(made)).toBe('allowed');
    expect(made.state.workloadByAddress('', '10.0.0.2')).toBeUndefined();
  }
  expect(told()).toBe(0);
  state.apply([record({ ips: ['10.0.0.3'], authorizationPolicies: [] })]);
  expect(judge(made)).toBe('explicitly denied by: default/late');
  expect(made.state.workloadByAddress('', '10.0.0.3')?.uid).toBe(server.uid);
  expect(made.context.policies.get('default/named')).toBeUndefined();
  expect(told()).toBe(1);
});

test('a pod that comes between two parts goes by what is in force, and is told of the change', () => {
  const { made, state, pods, told } = governed([put('named', openToAll)]);
  const [joining] = pods.splice(0);
  state.stage([put('named', { rules: [[]], scope: 'WorkloadSelector' })]);
  pods.push(joining!);
  expect([judge(made), told()]).toEqual(['allowed', 0]);
  state.apply([]);
  expect([judge(made), told()]).toEqual(['explicitly denied by: default/named', 1]);
});

test('a malformed policy in the middle of the parts is refused alone; of two versions the one before it counts', () => {
  const { made, state } = governed([put('named', openToAll)]);
  const malformed = policy('named', { rules: [[[{ destinationPorts: [-1] }]]] });
  state.stage([put('a'), put('named', { ...openToAll, action: 'Deny' })]);
  state.stage([{ type: 'policy', policy: malformed }]);
  state.apply([put('b')]);
  const { policies } = made.context;
  expect(['a', 'named', 'b'].map((name) => policies.get(`default/${name}`)?.action)).toEqual(['Deny', 'Deny', 'Deny']);
  expect(made.lines()).toEqual([expect.stringMatching(/^error\tstate\tpolicy default\/named refused: /)]);
});

test('a batch that comes before the other copy has caught up counts as any other', async () => {
  const { made, state } = governed([]);
  const names = Array.from({ length: 5000 }, (_, index) => `p${index}`);
  const ready: string[] = [];
  state.stage(names.map((name) => put(name, { scope: 'WorkloadSelector' })));
  state.apply([], () => ready.push('first'));
  expect(made.context.policies.get('default/p4999')).toBeDefined();
  state.stage(names.map((name) => remove(`default/${name}`)));
  expect(made.context.policies.get('default/p0')).toBeDefined();
  state.apply([put('last')], () => ready.push('second'));
  expect(names.filter((name) => made.context.policies.get(`default/${name}`) !== undefined)).toEqual([]);
  await soon(() => expect(ready.toSorted()).toEqual(['first', 'second']));
  state.apply([]);
  expect(names.filter((name) => made.context.policies.get(`default/${name}`) !== undefined)).toEqual([]);
  expect(made.context.policies.get('default/last')?.action).toBe('Deny');
});
