import { type CheckedPolicy, checkPolicy, type Policy, PolicyError, policyKey } from '@ambientmesh/policy';
import type { PodAuthorization } from '../inbound/pod-authorization.ts';
import type { DataPlaneContext } from './context.ts';
import { GoverningChanges } from './governing-changes.ts';
import type { PodInfo, StateChange } from './protocol.ts';
import { walkInSlices } from './sliced-walk.ts';

/** A pod of this thread, as far as what governs it is concerned. */
export interface GovernedPod {
  readonly info: PodInfo;
  readonly authorization: Pick<PodAuthorization, 'changed'>;
}

/**
 * Takes in what discovery says, and tells the pods whose policies are others now. What is slow about it is done beforehand,
 * part by part, where no connection sees it: that any number of changes comes into force takes a moment.
 */
export class StateChanges {
  readonly #context: DataPlaneContext;
  readonly #pods: () => Iterable<GovernedPod>;
  #governing = new GoverningChanges();

  constructor(context: DataPlaneContext, pods: () => Iterable<GovernedPod>) {
    this.#context = context;
    this.#pods = pods;
  }

  /** Makes changes ready that no connection sees before the next `apply`. */
  stage(changes: readonly StateChange[]): void {
    for (const change of changes) this.#stage(change);
  }

  /**
   * Puts in force what was staged and then `changes`: all of them before any connection sees a part of it. Calls `ready` when
   * the next changes cost no more than themselves, at once if there were few; they may come before it.
   */
  apply(changes: readonly StateChange[], ready: () => void = () => undefined): void {
    this.stage(changes);
    this.#putInForce();
    this.#context.localWorkloads.changed();
    this.#catchUp(ready);
  }

  #stage(change: StateChange): void {
    const { sides } = this.#context.state;
    switch (change.type) {
      case 'workload':
        return sides.stage((tables) => tables.putWorkload(change.workload, change.endpoints));
      case 'workload-removed':
        return sides.stage((tables) => tables.removeWorkload(change.uid));
      case 'service':
        return sides.stage((tables) => tables.putService(change.service));
      case 'service-removed':
        return sides.stage((tables) => tables.removeService(change.key));
      case 'policy':
        return this.#put(change.policy);
      case 'policy-removed':
        return this.#remove(change.key);
    }
  }

  /** One that is malformed is refused, and the one before stays in force. */
  #put(policy: Policy): void {
    const { log, policies } = this.#context;
    let checked: CheckedPolicy;
    try {
      checked = checkPolicy(policy);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      return log.line({
        level: 'error',
        scope: 'state',
        message: `policy ${policyKey(policy)} refused: ${error.message}`,
        fields: [],
      });
    }
    const before = policies.sides.next.get(checked.key);
    policies.sides.stage((side) => side.put(checked));
    if (before !== undefined) this.#governing.addPolicy(checked.key, before);
    this.#governing.addPolicy(checked.key, checked.policy);
  }

  #remove(key: string): void {
    const { policies } = this.#context;
    const before = policies.sides.next.get(key);
    if (before === undefined) return;
    policies.sides.stage((side) => side.remove(key));
    this.#governing.addPolicy(key, before);
  }

  #putInForce(): void {
    const { denials, policies, state } = this.#context;
    const governing = this.#governing;
    this.#governing = new GoverningChanges();
    const pods = [...this.#pods()];
    const before = pods.map(({ info }) => state.workloadOfPod(info));
    state.sides.exchange();
    policies.sides.exchange();
    let told = governing.hasPolicies;
    for (const [index, { info, authorization }] of pods.entries()) {
      if (!governing.concern(before[index], state.workloadOfPod(info))) continue;
      told = true;
      authorization.changed();
    }
    if (told) denials.policiesChanged();
  }

  /** The copies that were read before have the changes to come. */
  #catchUp(ready: () => void): void {
    const { engine, policies, state } = this.#context;
    walkInSlices(engine, {
      next: () => {
        const done = !policies.sides.step() && !state.sides.step();
        if (done) ready();
        return { done, value: undefined };
      },
    });
  }
}
