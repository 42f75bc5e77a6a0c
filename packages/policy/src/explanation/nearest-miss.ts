import { policyKey } from '../evaluation/policy-key.ts';
import type { Failure, RuleAttempt } from './attempt.ts';
import { closeness } from './closeness.ts';
import { MOST_VALUES } from './explain-rule.ts';
import type { FieldExplanation, NearestMiss } from './explanation.ts';

/** Of a longer list, so many values are searched for those most like what the connection has. */
const MOST_VALUES_SORTED = 1024;

/** A rule that does not match, for people: of each failed condition, the values closest to what is there come first. */
export function describeMiss(attempt: RuleAttempt): NearestMiss {
  return { policy: policyKey(attempt.policy), rule: attempt.rule, failed: attempt.failures.map(closestFirst) };
}

function closestFirst({ what, match, field }: Failure): FieldExplanation {
  if (what.negative || field.wanted.length < 2) return field;
  const scored = what
    .render(match, MOST_VALUES_SORTED)
    .map((text) => ({ text, score: closeness(text, field.actual) }))
    .toSorted((a, b) => b.score - a.score);
  return { ...field, wanted: scored.slice(0, MOST_VALUES).map(({ text }) => text) };
}
