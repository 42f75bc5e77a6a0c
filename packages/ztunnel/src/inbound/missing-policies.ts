/** How long running connections are held when a policy that governs them is named and not known: pushes come in pieces. */
export const MISSING_POLICY_GRACE_MS = 5_000;

/** Since when the policies that a workload names have been missing. */
export class MissingPolicies {
  /** Key -> monotonic milliseconds of when it was missed first. */
  #since = new Map<string, number>();

  /** Tells which are missing now; those that are new to it are the answer. */
  observe(missing: readonly string[], nowMs: number): readonly string[] {
    const since = new Map<string, number>();
    const fresh: string[] = [];
    for (const key of missing) {
      const known = this.#since.get(key);
      if (known === undefined) fresh.push(key);
      since.set(key, known ?? nowMs);
    }
    this.#since = since;
    return fresh;
  }

  /** Those whose grace is over. */
  overdue(nowMs: number): readonly string[] {
    return [...this.#since].flatMap(([key, since]) => (nowMs - since >= MISSING_POLICY_GRACE_MS ? [key] : []));
  }

  /** Milliseconds until the next grace is over; undefined: none runs. */
  nextDueMs(nowMs: number): number | undefined {
    const left = [...this.#since.values()].map((since) => since + MISSING_POLICY_GRACE_MS - nowMs);
    const running = left.filter((ms) => ms > 0);
    return running.length === 0 ? undefined : Math.min(...running);
  }
}
