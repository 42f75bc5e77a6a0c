import { compile } from '../evaluation/policy-set.ts';
import type { Explanation } from '../explanation/explanation.ts';
import type { Connection, Match, Policy, SourceIdentity } from '../policy.ts';
import { buildPolicy, ruleOf } from './build-policy.ts';

/** Whom the policies of the tests name. */
export const SLEEP: SourceIdentity = { trustDomain: 'cluster.local', namespace: 'a', serviceAccount: 'sleep' };
/** The same as principal. */
export const SLEEP_TEXT = 'cluster.local/ns/a/sa/sleep';
/** From another account of its namespace. */
export const CONNECTION: Connection = {
  identity: { ...SLEEP, serviceAccount: 'notsleep' },
  sourceIp: '10.0.0.7',
  destinationIp: '10.0.0.9',
  destinationPort: 8080,
};

/** Why `CONNECTION`, but for what is said, passes or does not to a workload in `ns1` that names policies by their keys. */
export function explainTo(
  policies: readonly Policy[],
  connection: Partial<Connection> = {},
  named: readonly string[] = [],
): Explanation {
  const workload = { namespace: 'ns1', authorizationPolicies: named };
  return compile(policies).explain({ ...CONNECTION, ...connection }, workload);
}

/** An ALLOW policy of one match. */
export function allow(match: Match): Policy {
  return buildPolicy({ rules: ruleOf(match) });
}

/** A DENY policy of one match. */
export function deny(match: Match): Policy {
  return buildPolicy({ name: 'd', action: 'Deny', rules: ruleOf(match) });
}
