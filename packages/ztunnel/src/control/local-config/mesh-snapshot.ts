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

/**
 * What turns one snapshot into the other: removals first, so that an address passes from one workload to another. Nothing
 * for entries that say the same.
 */
export function changesBetween(before: MeshSnapshot, after: MeshSnapshot): StateChange[] {
  return [
    ...gone(before.policies, after.policies).map((key) => ({ type: 'policy-removed', key }) as const),
    ...gone(before.services, after.services).map((key) => ({ type: 'service-removed', key }) as const),
    ...gone(before.workloads, after.workloads).map((uid) => ({ type: 'workload-removed', uid }) as const),
    ...changed(before.policies, after.policies).map((policy) => ({ type: 'policy', policy }) as const),
    ...changed(before.services, after.services).map((service) => ({ type: 'service', service }) as const),
    ...changed(before.workloads, after.workloads).map((entry) => ({ type: 'workload', ...entry }) as const),
  ];
}

function gone(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): string[] {
  return [...before.keys()].filter((key) => !after.has(key));
}

function changed<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): T[] {
  return [...after].flatMap(([key, value]) => (isDeepStrictEqual(before.get(key), value) ? [] : [value]));
}
