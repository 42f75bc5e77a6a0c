/** Whether a condition holds: three values, for not everything can be told from a save and a description. */
export type Truth = 'yes' | 'no' | 'unknown';

/** A truth, and for `no` and `unknown` the reason in words. */
export interface Finding {
  readonly truth: Truth;
  readonly reason: string;
}

/** The condition holds. */
export const FOUND: Finding = { truth: 'yes', reason: '' };

/** The condition does not hold. */
export function missing(reason: string): Finding {
  return { truth: 'no', reason };
}

/** It cannot be said. */
export function undecided(reason: string): Finding {
  return { truth: 'unknown', reason };
}

/** `yes`, or `no` with `reason`. The reason is also kept for a negation of it. */
export function decide(holds: boolean, reason: string): Finding {
  return { truth: holds ? 'yes' : 'no', reason };
}

/** The opposite, where `negated`; `reason` is why the negation fails, that of the finding where absent. */
export function negateIf(negated: boolean | undefined, finding: Finding, reason?: string): Finding {
  if (!negated || finding.truth === 'unknown') return finding;
  if (finding.truth === 'no') return { truth: 'yes', reason: finding.reason };
  return missing(finding.reason === '' ? (reason ?? '') : finding.reason);
}

/** All must hold: the first that does not decides, then what is not known, with every reason. */
export function all(findings: readonly Finding[]): Finding {
  const failed = findings.find(({ truth }) => truth === 'no');
  if (failed !== undefined) return failed;
  const open = findings.filter(({ truth }) => truth === 'unknown');
  return open.length === 0 ? FOUND : undecided(open.map(({ reason }) => reason).join('; '));
}

/** One must hold. */
export function any(findings: readonly Finding[], reason: string): Finding {
  if (findings.some(({ truth }) => truth === 'yes')) return FOUND;
  return findings.find(({ truth }) => truth === 'unknown') ?? missing(reason);
}
