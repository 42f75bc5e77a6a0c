import { type Policy, PolicyError, policyKey } from '@ambientmesh/policy';
import type { PodAuthorization } from '../inbound/pod-authorization.ts';
import type { DataPlaneContext } from './context.ts';
import { GoverningChanges } from './governing-changes.ts';
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
    const governing = new GoverningChanges();
    for (const change of changes) this.#apply(change, governing);
    this.#tell(governing);
    this.#context.localWorkloads.changed();
  }

  #apply(change: StateChange, governing: GoverningChanges): void {
    const { state } = this.#context;
    switch (change.type) {
      case 'workload':
        this.#recordChanges(change.workload.uid, governing);
        governing.addRecord(change.workload, state.workloadOfPod(change.workload));
        return state.putWorkload(change.workload, change.endpoints);
      case 'workload-removed':
        this.#recordChanges(change.uid, governing);
        return state.removeWorkload(change.uid);
      case 'service':
        return state.putService(change.service);
      case 'service-removed':
        return state.removeService(change.key);
      case 'policy':
        return this.#put(change.policy, governing);
      case 'policy-removed':
        return this.#remove(change.key, governing);
    }
  }

  /** The pod of the record as it is: it may get other names, and then another record counts for that pod. */
  #recordChanges(uid: string, governing: GoverningChanges): void {
    const { state } = this.#context;
    const workload = state.workloadByUid(uid);
    if (workload !== undefined) governing.addRecord(workload, state.workloadOfPod(workload));
  }

  /** One that is malformed is refused, and the one before stays in force. */
  #put(policy: Policy, governing: GoverningChanges): void {
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
    if (before !== undefined) governing.addPolicy(key, before);
    governing.addPolicy(key, policy);
  }

  #remove(key: string, governing: GoverningChanges): void {
    const { policies } = this.#context;
    const before = policies.get(key);
    if (before === undefined) return;
    policies.remove(key);
    governing.addPolicy(key, before);
  }

  #tell(governing: GoverningChanges): void {
    const { denials, state } = this.#context;
    if (governing.isEmpty) return;
    let told = governing.hasPolicies;
    for (const { info, authorization } of this.#pods()) {
      if (!governing.concern(info, state.workloadOfPod(info))) continue;
      told = true;
      authorization.changed();
    }
    if (told) denials.policiesChanged();
  }
}
