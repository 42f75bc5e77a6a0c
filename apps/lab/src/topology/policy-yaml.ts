import type { AddressRange, Match, Policy, ServiceAccountMatch, StringMatch } from '@ambientmesh/policy';

type Value = number | StringMatch | AddressRange | ServiceAccountMatch;

const TAGS = { exact: '!Exact', prefix: '!Prefix', suffix: '!Suffix' } as const;

/**
 * A policy as the ztunnels' file has it (spec policy.md §6), on one line. With `told` it says where it comes from, which
 * only the project's own ztunnel takes: its explanations use it.
 */
export function renderPolicyYaml(policy: Policy, told: boolean): string {
  const { name, namespace, scope, action, dryRun, rules, source } = policy;
  const head = Object.entries({ name, namespace, scope, action, dryRun }).map(
    ([key, value]) => `"${key}":${JSON.stringify(value)}`,
  );
  const body = renderList(rules, (rule) => renderList(rule, (clause) => renderList(clause, renderMatch)));
  const origin = told && source !== undefined ? `,"source":${JSON.stringify(source)}` : '';
  return `{${head.join(',')},"rules":${body}${origin}}`;
}

function renderMatch(match: Match): string {
  const fields = Object.entries(match)
    .filter(([, values]) => values.length > 0)
    .map(([field, values]: [string, readonly Value[]]) => `"${field}":${renderList(values, renderValue)}`);
  return `{${fields.join(',')}}`;
}

function renderValue(value: Value): string {
  if (typeof value === 'number') return String(value);
  if ('kind' in value)
    return value.kind === 'presence' ? '!Presence []' : `${TAGS[value.kind]} ${JSON.stringify(value.value)}`;
  if ('length' in value) return JSON.stringify(`${value.address}/${value.length}`);
  return JSON.stringify(value);
}

function renderList<T>(values: readonly T[], render: (value: T) => string): string {
  return `[${values.map(render).join(',')}]`;
}
