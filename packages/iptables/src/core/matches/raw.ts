import { oneLine } from '../render-words.ts';
import type { RawMatch } from '../rule.ts';
import type { MatchKind } from './match-kind.ts';

/** Words kept as they are, for what this package has no data for: `rawMatch('-m ttl --ttl-lt 2')`. Quoting is yours. */
export function rawMatch(text: string): RawMatch {
  return { match: 'raw', text };
}

/** Anything else. */
export const RAW: MatchKind<RawMatch> = {
  render: ({ text }) => oneLine(text),
  parse: () => undefined,
};
