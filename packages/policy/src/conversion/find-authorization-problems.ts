import { hasTargets } from './convert-authorization-policy.ts';
import { findDryRunProblems } from './find-dry-run-problems.ts';
import { findRuleProblems, type RuleContext } from './find-rule-problems.ts';
import { findSelectorProblems } from './find-selector-problems.ts';
import type { AuthorizationPolicy } from './policy-object.ts';
import type { ProblemList } from './problem-list.ts';

/** Tells what is wrong with the values of an AuthorizationPolicy (spec istiod.md §6.1, §6.2). */
export function findAuthorizationProblems(object: AuthorizationPolicy, problems: ProblemList): void {
  const { action = 'ALLOW', rules = [] } = object.spec ?? {};
  findDryRunProblems(object, problems);
  const forWaypoint = hasTargets(object);
  findPlaceProblems(object, forWaypoint, problems);
  findProviderProblems(object, problems);
  if (action !== 'ALLOW' && action !== 'DENY' && !forWaypoint)
    problems.warn('spec.action', `node proxies do not get ${action} policies: want ALLOW or DENY`);
  if ((action === 'DENY' || action === 'CUSTOM') && rules.length === 0)
    problems.fail('spec.rules', `a ${action} policy without rules never applies: a rule {} applies to everything`);
  const context: RuleContext = { action, forWaypoint };
  for (const [index, rule] of rules.entries()) findRuleProblems(rule, `spec.rules[${index}]`, context, problems);
}

/** Of the selector and the targets: what the policy is for. */
function findPlaceProblems({ spec }: AuthorizationPolicy, forWaypoint: boolean, problems: ProblemList): void {
  const { selector, targetRef, targetRefs = [] } = spec ?? {};
  if (targetRef !== undefined && targetRefs.length > 0)
    problems.fail('spec.targetRef', 'there are targetRefs, too: want one of them');
  if (forWaypoint && selector !== undefined)
    problems.fail('spec.selector', 'there is a target, too: want one of them, for a waypoint selects no pods');
  findSelectorProblems(selector, problems);
  if (selector !== undefined && !forWaypoint && Object.keys(selector.matchLabels ?? {}).length === 0)
    problems.warn(
      'spec.selector',
      'is empty, so it selects no workload and nothing is enforced: leave it out to select the whole namespace',
    );
}

function findProviderProblems({ spec }: AuthorizationPolicy, problems: ProblemList): void {
  const { action, provider } = spec ?? {};
  if (action === 'CUSTOM' && (provider?.name ?? '') === '')
    problems.fail('spec.provider', 'a CUSTOM policy wants provider.name');
  if (action !== 'CUSTOM' && provider !== undefined)
    problems.fail('spec.provider', 'only a CUSTOM policy has a provider');
}
