import type { ClauseExplanation, FieldExplanation, MatchExplanation, RuleExplanation } from './explanation.ts';
import { joinAnd, renderContrast, renderMet } from './render-field.ts';
import { renderHidden, shorten } from './shorten.ts';

/** Of a rule, so many clauses are shown. */
const MOST_CLAUSES = 16;
/** Of what a rule that matches is met by, so many conditions are shown in one line. */
const MOST_CAUSES = 6;
/** Of a clause, so many matches are shown. */
const MOST_MATCHES = 8;
const TOO_LONG = 'it is too long to tell why';

/** In one line what a rule that matches is met by. */
export function renderMatchedRule({ clauses, more }: RuleExplanation): string {
  if (more > 0) return `matches: ${TOO_LONG}`;
  const fields = clauses.flatMap(({ matches }) => matches.find(({ matched }) => matched)?.fields ?? []);
  if (fields.length === 0) return 'matches everything: it has no conditions';
  const causes = fields.slice(0, MOST_CAUSES).map(renderCause);
  const hidden = fields.length - causes.length;
  return `matches: ${joinAnd(hidden === 0 ? causes : [...causes, `${hidden} more conditions`])}`;
}

/** Without an identity, that there is none is what negative conditions are met by. */
function renderCause(field: FieldExplanation): string {
  return `\`${field.field}\` (${field.actual === 'none' && field.note !== undefined ? field.note : renderMet(field)})`;
}

/** A rule with all its conditions, `+` those that hold, `-` those that do not. */
export function renderRule(rule: RuleExplanation): readonly string[] {
  const head = `rule ${(rule.sourceRule ?? rule.rule) + 1} ${rule.matched ? 'matches' : 'does not match'}`;
  if (rule.more > 0) return [`${head}: ${TOO_LONG}`];
  const clauses = rule.clauses.filter(({ matches }) => matches.length > 0);
  if (clauses.length === 0) return [`${head}: it has no conditions`];
  const shown = shorten(clauses, MOST_CLAUSES, ({ matched }) => !matched);
  const hidden = renderHidden(clauses.length - shown.length, 'clauses');
  return [head, ...[...shown.flatMap(renderClause), ...hidden].map((line) => `  ${line}`)];
}

function renderClause({ matches, matched }: ClauseExplanation): readonly string[] {
  const [only] = matches;
  if (only !== undefined && matches.length === 1) return renderMatch(only);
  const shown = shorten(matches, MOST_MATCHES, (match) => match.matched);
  const hidden = matches.length - shown.length;
  return [
    `${mark(matched)} one of these:`,
    ...shown.flatMap((match, index) => renderAlternative(match, index === 0)),
    ...(hidden === 0 ? [] : [`     … (${hidden} more)`]),
  ];
}

function renderAlternative(match: MatchExplanation, first: boolean): readonly string[] {
  const [head = '', ...rest] = renderMatch(match);
  return [`  ${first ? '  ' : 'or'} ${head}`, ...rest.map((line) => `     ${line}`)];
}

function renderMatch({ fields }: MatchExplanation): readonly string[] {
  return fields.length === 0 ? ['- no conditions that can be judged here: it never matches'] : fields.map(renderField);
}

function renderField(field: FieldExplanation): string {
  return `${mark(field.satisfied)} ${field.field}: ${field.satisfied ? renderMet(field) : renderContrast(field)}`;
}

function mark(holds: boolean): string {
  return holds ? '+' : '-';
}
