import { quote } from '../render-words.ts';
import type { CommentMatch } from '../rule.ts';
import { onlyOption } from '../words.ts';
import type { MatchKind } from './match-kind.ts';

/** Bytes of a comment, of `XT_MAX_COMMENT_LEN` without the ending zero. */
const LONGEST_TEXT = 255;

/** A note for people, at most 255 bytes; matches every packet. */
export function comment(text: string): CommentMatch {
  return { match: 'comment', text };
}

/** `-m comment`. */
export const COMMENT: MatchKind<CommentMatch> = {
  render: ({ text }) => `-m comment --comment ${text === '' ? '""' : quote(text)}`,
  parse(options) {
    const option = onlyOption(options, '--comment');
    return option && { match: 'comment', text: option.values[0] ?? '' };
  },
  check: ({ text }) =>
    Buffer.byteLength(text) > LONGEST_TEXT ? `the comment is longer than ${LONGEST_TEXT} bytes` : undefined,
};
