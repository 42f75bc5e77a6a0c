import type { Explanation, PolicyExplanation, RuleExplanation } from './explanation.ts';
import { renderRule } from './render-rule.ts';
import { renderHidden, shorten } from './shorten.ts';

/** Of a long list of policies, so many are shown. */
const MOST_POLICIES = 20;
/** Of a policy that decided or came closest, so many rules are shown; of others fewer. */
const MOST_RULES = 20;
const MOST_RULES_ELSEWHERE = 5;
const ACTIONS = { Allow: 'ALLOW', Deny: 'DENY' } as const;
const SCOPES = { Global: 'whole mesh', Namespace: 'namespace', WorkloadSelector: 'selected workloads' } as const;

/** Every policy that was asked, those that decided or came closest in any case. */
export function renderPolicies({ policies, decision, nearest }: Explanation): readonly string[] {
  if (policies.length === 0 && decision.missing.length === 0) return ['no policy applies'];
  const important = new Set([decision.policy, nearest?.policy]);
  const shown = shorten(policies, MOST_POLICIES, ({ policy }) => important.has(policy));
  return [
    ...decision.missing.map((key) => `policy ${key}: named by the workload, but not known`),
    ...shown.flatMap((policy) =>
      renderPolicy(policy, important.has(policy.policy) ? MOST_RULES : MOST_RULES_ELSEWHERE),
    ),
    ...renderHidden(policies.length - shown.length, 'policies'),
  ];
}

/** `rule 2 of ns/allow-sleep`, counted from 1 as in the object that the policy was made of. */
export function nameRule(policy: string | undefined, rule: number | undefined, explanation: Explanation): string {
  const number = findRule(policy, rule, explanation)?.sourceRule ?? rule ?? 0;
  return `rule ${number + 1} of ${policy}`;
}

/** The explanation of one rule; undefined without a policy. */
export function findRule(
  policy: string | undefined,
  rule: number | undefined,
  { policies }: Explanation,
): RuleExplanation | undefined {
  const found = policies.find((one) => one.policy === policy);
  return rule === undefined ? undefined : found?.rules.find((one) => one.rule === rule);
}

function renderPolicy(explanation: PolicyExplanation, mostRules: number): readonly string[] {
  const { policy, action, scope, dryRun, matched, rules, more, nearest, notes } = explanation;
  const shown = shorten(rules, mostRules, (rule) => rule.matched || rule.rule === nearest?.rule);
  const verb = matched ? 'matches' : 'does not match';
  return [
    `${dryRun ? 'dry-run ' : ''}${ACTIONS[action]} ${policy} (${SCOPES[scope]}) ${verb}`,
    ...notes.map((note) => `  ${note}`),
    ...shown.flatMap(renderRule).map((line) => `  ${line}`),
    ...renderHidden(rules.length - shown.length + more, 'rules').map((line) => `  ${line}`),
  ];
}
