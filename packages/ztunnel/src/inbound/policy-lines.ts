import type { Decision } from '@ambientmesh/policy';

/** A log line about policies; `policy`: the one that is meant, `namespace/name`. */
export interface PolicyLine {
  readonly message: string;
  readonly policy?: string;
}

/** What the log says of a decision, in the reference's words and order (spec policy.md §4.4). */
export function policyLines(decision: Decision): readonly PolicyLine[] {
  const lines: PolicyLine[] = [];
  for (const { action, matches, policy } of decision.shadows)
    if (action === 'Deny' && matches) lines.push({ message: 'dry-run: deny policy match', policy });
  if (decision.code === 'DENIED') {
    lines.push({ message: 'deny policy match', ...policyOf(decision) });
    return lines;
  }
  let [dryRunAllows, dryRunMatches] = [0, 0];
  for (const { action, matches, policy } of decision.shadows) {
    if (action !== 'Allow') continue;
    dryRunAllows++;
    if (!matches) continue;
    dryRunMatches++;
    lines.push({ message: 'dry-run: allow policy match', policy });
  }
  switch (decision.code) {
    case 'NO_ALLOW_POLICIES':
      if (dryRunAllows > 0 && dryRunMatches === 0) lines.push({ message: 'dry-run: no allow policies match' });
      lines.push({ message: 'no allow policies, allow' });
      break;
    case 'ALLOWED':
      lines.push({ message: 'allow policy match', ...policyOf(decision) });
      break;
    case 'NOT_ALLOWED':
      lines.push({ message: 'no allow policies matched' });
      break;
    case 'POLICY_MISSING':
      // Not the reference's: it skips such policies.
      for (const policy of decision.missing) lines.push({ message: 'unknown policy, deny', policy });
      break;
  }
  return lines;
}

function policyOf({ policy }: Decision): { readonly policy?: string } {
  return policy === undefined ? {} : { policy };
}
