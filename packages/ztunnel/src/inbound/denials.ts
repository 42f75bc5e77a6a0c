import type { Connection, Explanation, TargetWorkload } from '@ambientmesh/policy';
import type { Denial, PodInfo } from '../data-plane/protocol.ts';
import { wallClockMs } from '../log/log-time.ts';

/** Different denials that are remembered; the one that was not repeated for the longest time goes first. */
export const MAX_DENIALS = 256;
/** Rules in all explanations that are kept: 3 MB, as they take 0.6 KB each. Beyond, the oldest denials lose theirs. */
export const MAX_EXPLAINED_RULES = 4_000;
/** Explanations may take this share of the thread's time, */
const EXPLAINING_SHARE = 0.02;
/** and this much at once after a quiet time. */
const EXPLAINING_BURST_MS = 10;

/** One connection that was denied, or would have been. */
export interface DeniedConnection {
  readonly kind: Denial['kind'];
  readonly pod: PodInfo;
  readonly workload: TargetWorkload;
  readonly connection: Connection;
  readonly reason: string;
}

/** Says why a connection passes or does not, by the policies of now; or in words why it does not say so. */
export type Explain = (connection: Connection, workload: TargetWorkload) => Explanation | string;

interface Remembered extends Omit<DeniedConnection, 'workload'> {
  count: number;
  readonly firstEpochMs: number;
  lastEpochMs: number;
  explanation: Explanation | undefined;
  explainedEpochMs: number | undefined;
  unexplained: string | undefined;
  /** Of the explanation, or of why there is none. */
  generation: number;
}

/** The recent denials of a data thread, equal ones together. A flood of them costs little: see the limits. */
export class Denials {
  readonly #explainNow: Explain;
  /** By key, the latest last. */
  readonly #remembered = new Map<string, Remembered>();
  #explainedRules = 0;
  #budgetMs = EXPLAINING_BURST_MS;
  #budgetAtMs = performance.now();
  /** Counts changes of what explanations are made of. */
  #generation = 0;

  constructor(explain: Explain) {
    this.#explainNow = explain;
  }

  /** Policies, or who has which, have changed: what is denied from now on is explained anew. */
  policiesChanged(): void {
    this.#generation++;
  }

  add(denied: DeniedConnection): void {
    const key = keyOf(denied);
    const nowEpochMs = wallClockMs();
    let entry = this.#remembered.get(key);
    if (entry === undefined) entry = this.#remember(denied, nowEpochMs);
    else this.#remembered.delete(key);
    this.#remembered.set(key, entry);
    entry.count++;
    entry.lastEpochMs = nowEpochMs;
    if (entry.generation !== this.#generation) this.#dropExplanation(entry);
    if (entry.explanation === undefined && entry.unexplained === undefined) this.#explain(entry, denied);
    if (this.#remembered.size > MAX_DENIALS) this.#forgetOldest();
  }

  /** The latest first. Plain data. */
  list(): Denial[] {
    return [...this.#remembered.values()].toReversed().map((entry) => {
      const { generation: _, ...denial } = entry;
      return denial;
    });
  }

  #remember({ kind, pod, connection, reason }: DeniedConnection, firstEpochMs: number): Remembered {
    const { name, namespace, serviceAccount } = pod;
    return {
      kind,
      pod: { name, namespace, serviceAccount },
      connection,
      reason,
      count: 0,
      firstEpochMs,
      lastEpochMs: firstEpochMs,
      explanation: undefined,
      explainedEpochMs: undefined,
      unexplained: undefined,
      generation: this.#generation,
    };
  }

  #explain(entry: Remembered, { workload, connection }: DeniedConnection): void {
    const beginMs = performance.now();
    const earnedMs = (beginMs - this.#budgetAtMs) * EXPLAINING_SHARE;
    this.#budgetMs = Math.min(EXPLAINING_BURST_MS, this.#budgetMs + earnedMs);
    this.#budgetAtMs = beginMs;
    if (this.#budgetMs <= 0) return;
    const { namespace, authorizationPolicies } = workload;
    const said = this.#explainNow(connection, { namespace, authorizationPolicies });
    if (typeof said === 'string') entry.unexplained = said;
    else {
      entry.explanation = said;
      entry.explainedEpochMs = entry.lastEpochMs;
    }
    entry.generation = this.#generation;
    this.#explainedRules += rulesOf(entry.explanation);
    for (const old of this.#remembered.values()) {
      if (this.#explainedRules <= MAX_EXPLAINED_RULES || old === entry) break;
      this.#dropExplanation(old);
    }
    this.#budgetMs -= performance.now() - beginMs;
  }

  #forgetOldest(): void {
    const [oldest] = this.#remembered;
    if (oldest === undefined) return;
    this.#remembered.delete(oldest[0]);
    this.#dropExplanation(oldest[1]);
  }

  #dropExplanation(entry: Remembered): void {
    this.#explainedRules -= rulesOf(entry.explanation);
    entry.explanation = entry.explainedEpochMs = entry.unexplained = undefined;
  }
}

function rulesOf(explanation: Explanation | undefined): number {
  // One for the rest of it: an explanation without rules is no bargain either.
  return explanation === undefined ? 0 : explanation.policies.reduce((sum, { rules }) => sum + rules.length, 1);
}

function keyOf({ kind, pod, connection, reason }: DeniedConnection): string {
  const { identity, sourceIp, destinationIp, destinationPort } = connection;
  const principal =
    identity === undefined ? '' : `${identity.trustDomain}/${identity.namespace}/${identity.serviceAccount}`;
  return `${kind}|${pod.namespace}/${pod.name}|${principal}|${sourceIp}|${destinationIp}|${destinationPort}|${reason}`;
}
