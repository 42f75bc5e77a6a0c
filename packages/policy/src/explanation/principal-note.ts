import { matchesText } from '../matching/string-match.ts';
import type { StringMatch } from '../policy.ts';
import type { FieldNote } from './field-note.ts';

const SCHEME = 'spiffe://';
/** Values that are looked at for mistakes; lists that are longer come from programs, which make few. */
const MOST_VALUES_CHECKED = 64;

/** A pattern that no identity matches. */
interface Mistake {
  readonly text: string;
  /** What was meant, if that is certain. */
  readonly meant: StringMatch | undefined;
}

/** A principal, ready to be compared part by part. */
interface ExactPrincipal {
  readonly value: string;
  /** Without the trust domain. */
  readonly tail: string;
  readonly lower: string;
}

/** Says why patterns that were meant for a principal do not match it. `verb` is what they fail to do: `excludes`. */
export function preparePrincipalNoter(
  patterns: readonly StringMatch[],
  verb: 'matches' | 'excludes',
): (principal: string) => FieldNote | undefined {
  const mistakes: Mistake[] = [];
  const exact: ExactPrincipal[] = [];
  for (const pattern of patterns.slice(0, MOST_VALUES_CHECKED)) {
    const mistake = findMistake(pattern, verb);
    if (mistake !== undefined) mistakes.push(mistake);
    else if (pattern.kind === 'exact') exact.push(prepareExact(pattern.value));
  }
  return (principal) => {
    for (const { text, meant } of mistakes)
      if (meant !== undefined && matchesText(meant, principal)) return { text, misspelt: true };
    for (const wanted of exact) {
      const difference = nameDifference(wanted, principal);
      if (difference !== undefined) return { text: `only ${difference} from \`${wanted.value}\``, misspelt: true };
    }
    const [first] = mistakes;
    return first && { text: first.text, misspelt: false };
  };
}

function findMistake(pattern: StringMatch, verb: string): Mistake | undefined {
  if (pattern.kind === 'presence') return undefined;
  const { kind, value } = pattern;
  const nobody = `\`${value}\` ${verb} nobody`;
  if (value.startsWith(SCHEME) && kind !== 'suffix')
    return {
      text: `${nobody}: principals are written without ${SCHEME}`,
      meant: { kind, value: value.slice(SCHEME.length) },
    };
  if (value.includes('*'))
    return { text: `${nobody}: * stands for any text only at the beginning or at the end, and once`, meant: undefined };
  if (value !== value.trim())
    return { text: `${nobody}: it has blanks around it`, meant: { kind, value: value.trim() } };
  if (kind === 'exact' && !(value.includes('/ns/') && value.includes('/sa/')))
    return { text: `${nobody}: want TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, meant: undefined };
  return undefined;
}

function prepareExact(value: string): ExactPrincipal {
  return { value, tail: value.slice(value.indexOf('/')), lower: value.toLowerCase() };
}

/** Which part of two different principals differs, if it is one that is easily overlooked. */
function nameDifference({ value, tail, lower }: ExactPrincipal, actual: string): string | undefined {
  if (actual.endsWith(tail) && actual.indexOf('/') === actual.length - tail.length) return 'the trust domain differs';
  return value.length === actual.length && lower === actual.toLowerCase() ? 'capital letters differ' : undefined;
}
