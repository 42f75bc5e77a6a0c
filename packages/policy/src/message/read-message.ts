import type { Clause, Policy, Rule } from '../policy.ts';
import type { Problem } from '../problem.ts';
import { DataPlace } from '../validation/data-place.ts';
import { listChoices } from '../validation/describe-value.ts';
import { findDoubts } from '../validation/find-doubts.ts';
import { invalidPolicy, nameOfPolicy } from '../validation/invalid-policy.ts';
import { readMatchMessage } from './read-match-message.ts';

/** `@type` is there where the message was in an `Any`: in dumps of a control plane, for instance. */
const FIELDS = ['name', 'namespace', 'scope', 'action', 'groups', 'dryRun', 'extensions', '@type'];
const TYPE = 'type.googleapis.com/istio.security.Authorization';

/** Values of an enumeration by number: the name on the wire and ours. */
const SCOPES = [
  ['GLOBAL', 'Global'],
  ['NAMESPACE', 'Namespace'],
  ['WORKLOAD_SELECTOR', 'WorkloadSelector'],
] as const;
const ACTIONS = [
  ['ALLOW', 'Allow'],
  ['DENY', 'Deny'],
] as const;

/**
 * The policy that a message to a node proxy (`istio.security.Authorization` as JSON of protocol buffers) is for it (spec
 * policy.md §2): values of a match that say nothing or are no address are dropped, ports are cut to 16 bits. Names of
 * fields may be written either way (`dryRun`, `dry_run`), enumerations by name or number. Throws POLICY_INVALID for an
 * unknown scope or action, and for what is no such message. One without a name is read, as there; a `PolicySet` does not
 * take it, for two of them would be one.
 */
export function readMessage(value: unknown): Policy {
  const place = new DataPlace(value);
  const policy = read(place);
  const mistakes = place.problems.filter(isError);
  if (mistakes.length > 0) throw invalidPolicy(nameOfPolicy(value), mistakes);
  return policy;
}

/**
 * All mistakes in what should be a message, and what is dropped or cut (warnings); without any, what hardly does what was
 * meant (warnings). A missing name is one, too, though `readMessage` takes that as a node proxy does. Never throws.
 */
export function findMessageProblems(value: unknown): readonly Problem[] {
  const place = new DataPlace(value);
  const policy = read(place);
  const problems =
    place.problems.length > 0
      ? place.problems
      : findDoubts(policy).map((doubt) => ({ ...doubt, path: renderMessagePath(doubt.path) }));
  const told = problems.some(({ severity, path }) => severity === 'error' && (path === '' || path === 'name'));
  return policy.name === '' && !told ? [NAMELESS, ...problems] : problems;
}

/** A map of anything or nothing is a message by the rules of protocol buffers: a policy for the whole mesh that allows nobody. */
const NAMELESS: Problem = {
  severity: 'error',
  path: 'name',
  message: 'is missing: node proxies know a policy by it',
};

function isError({ severity }: Problem): boolean {
  return severity === 'error';
}

/** `rules[0][1][2].principals` as it is in the message. */
function renderMessagePath(path: string): string {
  return path
    .replace(/^rules\[(\d+)\]\[(\d+)\]\[(\d+)\]/, 'groups[$1].rules[$2].matches[$3]')
    .replace(/^rules$/, 'groups');
}

/** The policy only counts if no problem has been noted. */
function read(place: DataPlace): Policy {
  const fields = place.fields(FIELDS, 'proto');
  fields.optional('@type', (field) => field.choice([TYPE]));
  return {
    name: fields.optional('name', (field) => field.text()) ?? '',
    namespace: fields.optional('namespace', (field) => field.text()) ?? '',
    scope: fields.optional('scope', (field) => readEnum(field, SCOPES)) ?? 'Global',
    action: fields.optional('action', (field) => readEnum(field, ACTIONS)) ?? 'Allow',
    dryRun: fields.optional('dryRun', (field) => field.boolean()) ?? false,
    rules: fields.optional('groups', (field) => field.list(readGroup)) ?? [],
  };
}

function readEnum<T extends string>(place: DataPlace, values: readonly (readonly [string, T])[]): T | undefined {
  const { value } = place;
  const found = typeof value === 'number' ? values[value] : values.find(([name]) => name === value);
  return found?.[1] ?? place.refuse(listChoices(values.map(([name], number) => `${name} (${number})`)));
}

function readGroup(place: DataPlace): Rule {
  return place.fields(['rules'], 'proto').optional('rules', (field) => field.list(readClause)) ?? [];
}

function readClause(place: DataPlace): Clause {
  return place.fields(['matches'], 'proto').optional('matches', (field) => field.list(readMatchMessage)) ?? [];
}
