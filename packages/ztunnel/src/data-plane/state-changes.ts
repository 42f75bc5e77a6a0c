import { effectiveScope, type Policy, PolicyError, policyKey } from '@ambientmesh/policy';
import type { PodAuthorization } from '../inbound/pod-authorization.ts';
import type { Workload } from '../state/workload.ts';
import type { DataPlaneContext } from './context.ts';
import type { PodInfo, StateChange } from './protocol.ts';

/** A pod of this thread, as far as what governs it is concerned. */
export interface GovernedPod {
  readonly info: PodInfo;
  readonly authorization: Pick<PodAuthorization, 'changed'>;
}

/** Takes in what discovery says, and tells the pods whose policies are others now. */
export class StateChanges {
  readonly #context: DataPlaneContext;
  readonly #pods: () => Iterable<GovernedPod>;

  constructor(context: DataPlaneContext, pods: () => Iterable<GovernedPod>) {
    this.#context = context;
    this.#pods = pods;
  }

  /** All of them before any connection sees a part of it. */
  apply(changes: readonly StateChange[]): void {
    for (const change of changes) this.#apply(change);
    this.#context.localWorkloads.changed();
  }

  #apply(change: StateChange): void {
    const { state } = this.#context;
    switch (change.type) {
      case 'workload':
        return this.#around(change.workload, () => state.putWorkload(change.workload, change.endpoints));
      case 'workload-removed': {
        const workload = state.workloadByUid(change.uid);
        return workload && this.#around(workload, () => state.removeWorkload(change.uid));
      }
      case 'service':
        return state.putService(change.service);
      case 'service-removed':
        return state.removeService(change.key);
      case 'policy':
        return this.#put(change.policy);
      case 'policy-removed':
        return this.#remove(change.key);
    }
  }

  /** One that is malformed is refused, and the one before stays in force. */
  #put(policy: Policy): void {
    const { log, policies } = this.#context;
    const key = policyKey(policy);
    const before = policies.get(key);
    try {
      policies.put(policy);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      return log.line({
        level: 'error',
        scope: 'state',
        message: `policy ${key} refused: ${error.message}`,
        fields: [],
      });
    }
    this.#tellGoverned(key, before === undefined ? [policy] : [before, policy]);
  }

  #remove(key: string): void {
    const { policies } = this.#context;
    const before = policies.get(key);
    if (before === undefined) return;
    policies.remove(key);
    this.#tellGoverned(key, [before]);
  }

  #tellGoverned(key: string, versions: readonly Policy[]): void {
    this.#context.denials.policiesChanged();
    for (const { info, authorization } of this.#pods()) {
      const workload = this.#context.state.workloadOfPod(info);
      // Without a record nobody can say what governs it.
      if (workload === undefined || versions.some((policy) => governs(key, policy, workload))) authorization.changed();
    }
  }

  /** Makes a change to one workload; the pods of its names are told if they are governed otherwise now. */
  #around(workload: Workload, change: () => void): void {
    const { state } = this.#context;
    const touched = [...this.#pods()].filter(({ info }) => isOf(workload, info));
    const before = touched.map(({ info }) => state.workloadOfPod(info));
    change();
    for (const [index, { info, authorization }] of touched.entries()) {
      if (isGovernedAlike(before[index], state.workloadOfPod(info))) continue;
      this.#context.denials.policiesChanged();
      authorization.changed();
    }
  }
}

/** Whether a policy applies to a workload, or may by its name. */
function governs(key: string, policy: Policy, workload: Workload): boolean {
  const scope = effectiveScope(policy);
  if (scope === 'Global') return true;
  if (scope === 'Namespace' && policy.namespace === workload.namespace) return true;
  return workload.authorizationPolicies.includes(key);
}

function isOf(workload: Workload, { name, namespace, serviceAccount }: PodInfo): boolean {
  return workload.name === name && workload.namespace === namespace && workload.serviceAccount === serviceAccount;
}

function isGovernedAlike(one: Workload | undefined, other: Workload | undefined): boolean {
  const [names, others] = [one?.authorizationPolicies, other?.authorizationPolicies];
  if (names === undefined || others === undefined) return names === others;
  return names.length === others.length && names.every((name, index) => name === others[index]);
}
