import type { FieldExplanation } from './explanation.ts';
import { NO_IDENTITY } from './facts.ts';

/** Of a list, so many values are shown. */
const MOST_SHOWN = 4;
/** Of the conditions that a rule failed on, so many are shown in one line. */
const MOST_FAILURES = 3;

/** How presence is told; in a negative list it excludes whatever there is. */
const ANY = 'any';

/** `` `principals` only: wanted A, got B ``, or all of several: `` `principals` (wanted A, got B) and … ``. */
export function renderFailures(failed: readonly FieldExplanation[]): string {
  const [only, ...others] = failed;
  if (only !== undefined && others.length === 0) return `\`${only.field}\` only: ${renderContrast(only)}`;
  const shown = failed.slice(0, MOST_FAILURES).map((field) => `\`${field.field}\` (${renderContrast(field)})`);
  const hidden = failed.length - shown.length;
  return joinAnd(hidden === 0 ? shown : [...shown, `${hidden} more conditions`]);
}

/** What a condition wants beside what there is: `wanted one of A, B, got C`. */
export function renderContrast({ field, wanted, more, actual }: FieldExplanation): string {
  const values = renderValues(wanted, more);
  const several = wanted.length + more > 1;
  if (field.startsWith('not') && wanted.includes(ANY)) return `wanted no certificate, got ${actual}`;
  if (!field.startsWith('not')) return `wanted ${several ? 'one of ' : ''}${values}, got ${actual}`;
  return `wanted ${several ? 'none of' : 'not'} ${values}, got ${actual}`;
}

/** What a condition that holds is met by: the value, and what was wanted if that is another text. */
export function renderMet(field: FieldExplanation): string {
  const { wanted, more, actual } = field;
  if (field.field.startsWith('not') && actual === NO_IDENTITY) return 'the client has no certificate';
  if (field.field.startsWith('not')) return renderContrast(field);
  return wanted.includes(actual) ? actual : `${actual}, as wanted: ${renderValues(wanted, more)}`;
}

/** The causes that fields have, each once. */
export function renderNotes(fields: readonly FieldExplanation[]): readonly string[] {
  return [...new Set(fields.flatMap(({ note }) => note ?? []))];
}

/** `A, B and C` */
export function joinAnd(texts: readonly string[]): string {
  return texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} and ${texts.at(-1)}`;
}

function renderValues(wanted: readonly string[], more: number): string {
  const hidden = Math.max(0, wanted.length - MOST_SHOWN) + more;
  return `${wanted.slice(0, MOST_SHOWN).join(', ')}${hidden === 0 ? '' : `, … (${hidden} more)`}`;
}
