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

/** Says why patterns that were meant for a principal do not match it. `verb` is what they fail to do: `excludes`. */
export function preparePrincipalNoter(
  patterns: readonly StringMatch[],
  verb: 'matches' | 'excludes',
): (principal: string) => FieldNote | undefined {
  const mistakes: Mistake[] = [];
  const exact: string[] = [];
  for (const pattern of patterns.slice(0, MOST_VALUES_CHECKED)) {
    const mistake = findMistake(pattern, verb);
    if (mistake !== undefined) mistakes.push(mistake);
    else if (pattern.kind === 'exact') exact.push(pattern.value);
  }
  return (principal) => {
    for (const { text, meant } of mistakes)
      if (meant !== undefined && matchesText(meant, principal)) return { text, misspelt: true };
    for (const value of exact) {
      const difference = nameDifference(value, principal);
      if (difference !== undefined) return { text: `only ${difference} from \`${value}\``, misspelt: true };
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

/** Which part of two principals differs, if it is one that is easily overlooked. */
function nameDifference(wanted: string, actual: string): string | undefined {
  const domain = wanted.indexOf('/');
  if (actual.indexOf('/') !== domain || !actual.startsWith(wanted.slice(0, domain))) {
    if (wanted.slice(domain) === actual.slice(actual.indexOf('/'))) return 'the trust domain differs';
  }
  if (wanted.length !== actual.length || wanted === actual) return undefined;
  return wanted.toLowerCase() === actual.toLowerCase() ? 'capital letters differ' : undefined;
}
