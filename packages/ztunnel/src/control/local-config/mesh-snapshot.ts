import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Policy, policyKey } from '@ambientmesh/policy';
import type { StateChange } from '../../data-plane/protocol.ts';
import { type Service, serviceKey } from '../../state/service.ts';
import type { LocalConfig } from './local-config.ts';
import type { LocalWorkload } from './read-workload.ts';

/** All that is known of the mesh at one time, by key. */
export interface MeshSnapshot {
  /** By uid. */
  readonly workloads: ReadonlyMap<string, LocalWorkload>;
  /** By `namespace/hostname`. */
  readonly services: ReadonlyMap<string, Service>;
  /** By `namespace/name`. */
  readonly policies: ReadonlyMap<string, Policy>;
}

/** Before anything is known. */
export const emptySnapshot: MeshSnapshot = { workloads: new Map(), services: new Map(), policies: new Map() };

/** What a file says, by key; of two entries with one key the later one counts. */
export function snapshotOf({ workloads, services, policies }: LocalConfig): MeshSnapshot {
  return {
    workloads: new Map(workloads.map((entry) => [entry.workload.uid, entry])),
    services: new Map(services.map((service) => [serviceKey(service), service])),
    policies: new Map(policies.map((policy) => [policyKey(policy), policy])),
  };
}

/** What a turn spends on comparing, in milliseconds: 20,000 entries that say the same take 200. */
const TURN_MS = 5;

/**
 * What turns one snapshot into the other: removals first, so that an address passes from one workload to another. Nothing
 * for entries that say the same.
 */
export function changesBetween(before: MeshSnapshot, after: MeshSnapshot): StateChange[] {
  return [...compare(before, after)].filter((change) => change !== undefined);
}

/** The same, in turns that hold up nobody for long. */
export async function findChangesBetween(before: MeshSnapshot, after: MeshSnapshot): Promise<StateChange[]> {
  const changes: StateChange[] = [];
  let endMs = performance.now() + TURN_MS;
  for (const change of compare(before, after)) {
    if (change !== undefined) changes.push(change);
    if (performance.now() < endMs) continue;
    await nextTurn();
    endMs = performance.now() + TURN_MS;
  }
  return changes;
}

/** Undefined for an entry that says the same. */
function* compare(before: MeshSnapshot, after: MeshSnapshot): Generator<StateChange | undefined> {
  for (const key of gone(before.policies, after.policies)) yield { type: 'policy-removed', key };
  for (const key of gone(before.services, after.services)) yield { type: 'service-removed', key };
  for (const uid of gone(before.workloads, after.workloads)) yield { type: 'workload-removed', uid };
  for (const [key, policy] of after.policies)
    yield isDeepStrictEqual(before.policies.get(key), policy) ? undefined : { type: 'policy', policy };
  for (const [key, service] of after.services)
    yield isDeepStrictEqual(before.services.get(key), service) ? undefined : { type: 'service', service };
  for (const [key, entry] of after.workloads)
    yield isDeepStrictEqual(before.workloads.get(key), entry) ? undefined : { type: 'workload', ...entry };
}

function gone(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): string[] {
  return [...before.keys()].filter((key) => !after.has(key));
}
