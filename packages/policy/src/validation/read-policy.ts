import type { Match, Policy, Rule } from '../policy.ts';
import type { Problem } from '../problem.ts';
import { complete, DataPlace } from './data-place.ts';
import { listChoices } from './describe-value.ts';
import { findDoubts } from './find-doubts.ts';
import { invalidPolicy, nameOfPolicy } from './invalid-policy.ts';
import { readLocalMatch, readMatch } from './read-match.ts';
import { readSource } from './read-source.ts';

const FIELDS = ['name', 'namespace', 'scope', 'action', 'dryRun', 'rules', 'source'];
const SCOPES = ['Global', 'Namespace', 'WorkloadSelector'] as const;
const ACTIONS = ['Allow', 'Deny'] as const;
const ANY_SCOPE = listChoices(SCOPES);
const ANY_ACTION = listChoices(ACTIONS);
const WANTED_NAME = 'the name of the policy';

/**
 * Untyped data in the form of `Policy`, as that: a copy, which shares nothing with the data, with empty lists of matches
 * left out. Throws POLICY_INVALID with every mistake: unknown and missing fields, wrong kinds, an empty name, unknown scope
 * or action, addresses, lengths and ports that are none.
 */
export function readPolicy(value: unknown): Policy {
  const place = new DataPlace(value);
  const policy = read(place);
  if (policy === undefined || place.problems.length > 0) throw invalidPolicy(nameOfPolicy(value), place.problems);
  return policy;
}

/** All mistakes in what should be a `Policy`; without any, what hardly does what was meant (warnings). Never throws. */
export function findProblems(value: unknown): readonly Problem[] {
  const place = new DataPlace(value);
  const policy = read(place);
  return policy === undefined || place.problems.length > 0 ? place.problems : findDoubts(policy);
}

/**
 * A policy of the local configuration of a node proxy, or of its `config_dump` (spec policy.md §6): patterns are
 * `{"Exact": "x"}`, as the YAML tag `!Exact` is read, and ranges `"10.0.0.0/8"`. Else as `readPolicy`.
 */
export function readLocalPolicy(value: unknown): Policy {
  const place = new DataPlace(value);
  const policy = read(place, readLocalMatch);
  if (policy === undefined || place.problems.length > 0) throw invalidPolicy(nameOfPolicy(value), place.problems);
  return policy;
}

/** As `findProblems`, of what `readLocalPolicy` reads. */
export function findLocalProblems(value: unknown): readonly Problem[] {
  const place = new DataPlace(value);
  const policy = read(place, readLocalMatch);
  return policy === undefined || place.problems.length > 0 ? place.problems : findDoubts(policy);
}

type MatchReader = (place: DataPlace) => Match;

/** Undefined only if `place.problems` says why; a policy only counts if there are none. */
function read(place: DataPlace, readEach: MatchReader = readMatch): Policy | undefined {
  const fields = place.fields(FIELDS);
  const policy = complete<Policy>({
    name: fields.required('name', WANTED_NAME, readName),
    namespace: fields.required('namespace', 'text', (field) => field.text()),
    scope: fields.required('scope', ANY_SCOPE, (field) => field.choice(SCOPES)),
    action: fields.required('action', ANY_ACTION, (field) => field.choice(ACTIONS)),
    dryRun: fields.required('dryRun', 'true or false', (field) => field.boolean()),
    rules: fields.required('rules', 'a list', (field) => field.list((rule) => readRule(rule, readEach))),
  });
  const source = fields.optional('source', readSource);
  return policy === undefined || source === undefined ? policy : { ...policy, source };
}

/** Two of one namespace without a name would be one, and no verdict could tell who decided. An empty namespace has a meaning. */
function readName(place: DataPlace): string | undefined {
  return place.value === '' ? place.refuse(WANTED_NAME) : place.text();
}

function readRule(place: DataPlace, readEach: MatchReader): Rule | undefined {
  return place.list((clause) => clause.list(readEach));
}
