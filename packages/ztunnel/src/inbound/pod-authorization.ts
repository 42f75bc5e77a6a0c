import { type Decision, PolicyError } from '@ambientmesh/policy';
import { renderSpiffeId } from '@ambientmesh/spiffe';
import { formatAddress } from '../address.ts';
import type { Pod } from '../data-plane/pod.ts';
import type { Recheckable } from '../data-plane/rechecks.ts';
import type { LogSpan } from '../log/line.ts';
import type { Workload } from '../state/workload.ts';
import type { ConnectionError } from '../telemetry/connection-record.ts';
import { MISSING_POLICY_GRACE_MS, MissingPolicies } from './missing-policies.ts';
import type { PolicedConnection } from './policed-connection.ts';
import { policyLines } from './policy-lines.ts';

/** Text and flag of running connections that a change of policies ended (spec policy.md §5). */
export const POLICY_CHANGED: ConnectionError = { message: 'connection closed due to policy change', flag: 'DENY' };

/** Module of the lines about single policies (spec policy.md §4.4). */
const SCOPE = 'state';

/** Judges the connections to one pod by the policies of its workload: each when it comes, all when those have changed. */
export class PodAuthorization implements Recheckable {
  readonly #pod: Pod;
  readonly #running = new Set<PolicedConnection>();
  readonly #missing = new MissingPolicies();
  /** The workload's last record: what runs is judged by it when there is none any more. */
  #workload: Workload | undefined;
  #grace: { cancel(): void } | undefined;

  constructor(pod: Pod) {
    this.#pod = pod;
  }

  /**
   * Why a new connection to `workload`, the pod's own, may not pass; undefined: it may, and is watched until `ended`.
   */
  admit(one: PolicedConnection, workload: Workload): ConnectionError | undefined {
    const { policies } = this.#pod.context;
    this.#workload = workload;
    let decision: Decision;
    try {
      decision = policies.evaluate(one.judged, workload);
    } catch (error) {
      // A socket that went away before it was judged has no address.
      if (error instanceof PolicyError) return rejection(error.message);
      throw error;
    }
    this.#log(decision, one);
    if (!decision.allowed) {
      this.#remember('refused', one, decision.reason);
      return rejection(decision.reason);
    }
    if (decision.shadow?.allowed === false) this.#remember('shadow', one, decision.shadow.reason);
    this.#running.add(one);
    return undefined;
  }

  /** To be called when an admitted connection ends. */
  ended(one: PolicedConnection): void {
    if (!this.#running.delete(one) || this.#running.size > 0) return;
    this.#grace?.cancel();
    // Nobody is held any more: those who come later get a grace of their own.
    this.#missing.observe([], 0);
  }

  /** To be called after what governs the pod has changed. */
  changed(): void {
    if (this.#running.size > 0) this.#pod.context.rechecks.request(this);
  }

  /** The pod is gone: nothing is judged any more. */
  close(): void {
    this.#grace?.cancel();
    this.#pod.context.rechecks.forget(this);
  }

  /** Ends what is denied now, by the policies and the workload's record of now. One connection a step. */
  *recheck(): Generator<void> {
    const { state } = this.#pod.context;
    const workload = state.workloadOfPod(this.#pod.info) ?? this.#workload;
    if (workload === undefined) return;
    this.#workload = workload;
    const missing = this.#observeMissing(workload);
    for (const one of this.#running) {
      this.#judgeAgain(one, workload, missing);
      yield;
    }
  }

  #judgeAgain(one: PolicedConnection, workload: Workload, missing: 'deny' | 'skip'): void {
    const decision = this.#pod.context.policies.evaluate(one.judged, workload, { missing });
    if (decision.allowed) return;
    this.#log(decision, one);
    this.#remember('cut', one, decision.reason);
    this.#logCut(one, workload);
    one.deny(POLICY_CHANGED);
  }

  #logCut(one: PolicedConnection, workload: Workload): void {
    const { config, log } = this.#pod.context;
    if (!config.policyCutLog) return;
    log.line({
      level: 'info',
      scope: 'proxy::connection_manager',
      message: `connection ${describe(one)} (${workload.uid}) closed because it's no longer allowed after a policy update`,
      fields: [],
      spans: [this.#pod.span],
    });
  }

  /** What missing policies do to running connections now. The grace that has just begun or ended is told. */
  #observeMissing(workload: Workload): 'deny' | 'skip' {
    const { config, engine, policies } = this.#pod.context;
    this.#grace?.cancel();
    if (config.unknownPolicy === 'skip') return 'skip';
    const nowMs = engine.now();
    const seconds = `${MISSING_POLICY_GRACE_MS / 1000}s`;
    for (const key of this.#missing.observe(policies.select(workload).missing, nowMs))
      this.#pod.warn(`policy ${key} is missing: running connections are held for ${seconds}`, { scope: SCOPE });
    const overdue = this.#missing.overdue(nowMs);
    for (const key of overdue)
      this.#pod.warn(`policy ${key} has not arrived within ${seconds}: running connections are denied`, {
        scope: SCOPE,
      });
    const dueMs = this.#missing.nextDueMs(nowMs);
    if (dueMs !== undefined) this.#grace = engine.after(Math.ceil(dueMs), () => this.changed());
    return overdue.length > 0 ? 'deny' : 'skip';
  }

  #remember(kind: 'refused' | 'cut' | 'shadow', one: PolicedConnection, reason: string): void {
    const { context, info: pod } = this.#pod;
    const workload = this.#workload;
    if (workload === undefined) return;
    context.denials.add({ kind, pod, workload, connection: one.judged, reason });
  }

  #log(decision: Decision, one: PolicedConnection): void {
    const { config, log } = this.#pod.context;
    if (config.unknownPolicy === 'skip' && decision.missing.length > 0)
      for (const key of decision.missing)
        this.#pod.warn(`skipping unknown policy ${key}`, { scope: SCOPE, spans: one.spans });
    const level = config.policyLog;
    if (level === 'off') return;
    const spans: readonly LogSpan[] = [this.#pod.span, ...one.spans];
    for (const { message, policy } of policyLines(decision))
      log.line({ level, scope: SCOPE, message, fields: policy === undefined ? [] : [['policy', policy]], spans });
  }
}

function rejection(reason: string): ConnectionError {
  return { message: `connection closed due to policy rejection: ${reason}`, flag: 'DENY' };
}

/** As the reference names a connection in its logs. */
function describe({ judged, clientPort }: PolicedConnection): string {
  const { identity, sourceIp, destinationIp, destinationPort } = judged;
  const source = formatAddress({ ip: sourceIp, port: clientPort });
  const target = formatAddress({ ip: destinationIp, port: destinationPort });
  return `${source}(${identity === undefined ? 'None' : renderSpiffeId(identity)})->${target}`;
}
