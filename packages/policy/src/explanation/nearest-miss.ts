import { type Failure, listFailures, type RuleAttempt } from './attempt.ts';
import { closeness } from './closeness.ts';
import { MOST_VALUES } from './condition.ts';
import type { FieldExplanation, NearestMiss } from './explanation.ts';

/** Of a longer list, so many values are searched for those most like what the connection has. */
const MOST_VALUES_SORTED = 1024;

/** A rule that does not match, as data. */
export function describeMiss(attempt: RuleAttempt): NearestMiss {
  return {
    policy: attempt.policy.key,
    rule: attempt.rule,
    failed: listFailures(attempt).map(({ field }) => field),
  };
}

/** The same with those values first, of each failed condition, that are most like what the connection has. */
export function describeNearest(attempt: RuleAttempt): NearestMiss {
  return { policy: attempt.policy.key, rule: attempt.rule, failed: listFailures(attempt).map(closestFirst) };
}

function closestFirst({ condition, field }: Failure): FieldExplanation {
  if (condition.negative || condition.wanted.length < 2) return field;
  const scored = condition
    .render(MOST_VALUES_SORTED)
    .map((text) => ({ text, score: closeness(text, field.actual) }))
    .toSorted((a, b) => b.score - a.score);
  return { ...field, wanted: scored.slice(0, MOST_VALUES).map(({ text }) => text) };
}
