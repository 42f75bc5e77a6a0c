import type { Policy } from '@ambientmesh/policy';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MeshState } from '../../state/mesh-state.ts';
import { parseLocalConfig } from './local-config.ts';
import { changesBetween, emptySnapshot, findChangesBetween, type MeshSnapshot, snapshotOf } from './mesh-snapshot.ts';

/** Few keys and few values, so that entries stay, change, come and go. */
const configs = fc.record({
  policies: fc.array(fc.record({ name: fc.constantFrom('a', 'b', 'c'), action: fc.constantFrom('Allow', 'Deny') })),
  services: fc.array(
    fc.record({ hostname: fc.constantFrom('s', 't'), vip: fc.constantFrom('/10.0.0.1', '/10.0.0.2') }),
  ),
  workloads: fc.array(
    fc.record({ uid: fc.constantFrom('w', 'x', 'y'), ip: fc.constantFrom('10.1.0.1', '10.1.0.2'), port: fc.nat(2) }),
  ),
});

interface Entries {
  readonly policies: readonly { readonly name: string; readonly action: string }[];
  readonly services: readonly { readonly hostname: string; readonly vip: string }[];
  readonly workloads: readonly { readonly uid: string; readonly ip: string; readonly port: number }[];
}

function read({ policies, services, workloads }: Entries): MeshSnapshot {
  const more = { namespace: 'd', scope: 'Global', dryRun: false, rules: [] };
  const file = {
    policies: policies.map((policy) => ({ ...policy, ...more })),
    services: services.map(({ hostname, vip }) => ({
      name: 's',
      namespace: 'd',
      hostname,
      vips: [vip],
      ports: { 80: 80 },
    })),
    workloads: workloads.map(({ uid, ip, port }) => ({
      uid,
      name: uid,
      namespace: 'd',
      workloadIps: [ip],
      services: { 'd/s': { 80: port } },
    })),
  };
  return snapshotOf(parseLocalConfig(JSON.stringify(file)));
}

function apply(state: MeshState, before: MeshSnapshot, after: MeshSnapshot): Set<string> {
  const policies = new Set(before.policies.keys());
  for (const change of changesBetween(before, after)) {
    if (change.type === 'policy') policies.add(`${change.policy.namespace}/${change.policy.name}`);
    else if (change.type === 'policy-removed') policies.delete(change.key);
    else if (change.type === 'workload') state.putWorkload(change.workload, change.endpoints);
    else if (change.type === 'workload-removed') state.removeWorkload(change.uid);
    else if (change.type === 'service') state.putService(change.service);
    else state.removeService(change.key);
  }
  return policies;
}

test('the changes between any two files lead from the one to the other', () => {
  fc.assert(
    fc.property(configs.map(read), configs.map(read), (before, after) => {
      const state = new MeshState();
      apply(state, emptySnapshot, before);
      expect(apply(state, before, after)).toEqual(new Set(after.policies.keys()));
      for (const uid of ['w', 'x', 'y']) {
        expect(state.workloadByUid(uid)).toEqual(after.workloads.get(uid)?.workload);
        expect(state.endpointsOfWorkload(uid)).toEqual(after.workloads.get(uid)?.endpoints ?? []);
      }
      for (const key of ['d/s', 'd/t']) expect(state.serviceByKey(key)).toEqual(after.services.get(key));
    }),
  );
});

test('nothing changes between equal files, and each changed entry is told once', () => {
  fc.assert(
    fc.property(configs, (config) => {
      expect(changesBetween(read(config), read(config))).toEqual([]);
    }),
  );
});

test('of two entries with one key the later one counts', () => {
  const config = {
    policies: [
      { name: 'a', action: 'Deny' },
      { name: 'a', action: 'Allow' },
    ],
  };
  expect(read({ ...config, services: [], workloads: [] }).policies.get('d/a')?.action).toBe('Allow');
});

/** 20,000 policies; `last`: the action of the last of them. */
function largeSnapshot(last: Policy['action']): MeshSnapshot {
  const more = { namespace: 'd', scope: 'Global', dryRun: false, rules: [[[{ destinationPorts: [80] }]]] } as const;
  const policies = Array.from({ length: 20_000 }, (_, index): [string, Policy] => {
    const name = `p${index}`;
    return [`d/${name}`, { ...more, name, action: index === 19_999 ? last : 'Deny' }];
  });
  return { ...emptySnapshot, policies: new Map(policies) };
}

test('the comparison of large files gives way to others, and comes to the same', async () => {
  const [before, after] = [largeSnapshot('Allow'), largeSnapshot('Deny')];
  let turns = 0;
  const count = (): void => {
    turns++;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const changes = await findChangesBetween(before, after);
  clearImmediate(next);
  expect(changes).toEqual(changesBetween(before, after));
  expect(changes).toHaveLength(1);
  expect(turns).toBeGreaterThan(0);
});
