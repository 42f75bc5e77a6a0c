import { octet, quote } from '../render-words.ts';
import type { LogTarget } from '../rule.ts';
import type { TargetKind } from './target-kind.ts';

/** Bytes of a prefix; the tool cuts longer ones. */
const LONGEST_PREFIX = 29;
/** `warning` of syslog; not listed. */
const DEFAULT_LEVEL = 4;
const HIGHEST_LEVEL = 7;

/** Writes the packet's header to the kernel log and goes on; `prefix` at most 29 bytes, `level` as in syslog (default 4). */
export function log(options: Omit<LogTarget, 'target'> = {}): LogTarget {
  return { target: 'LOG', ...options };
}

/** `LOG`. */
export const LOG: TargetKind<LogTarget> = {
  render({ prefix, level }) {
    const start = prefix === undefined ? '' : ` --log-prefix ${quote(prefix)}`;
    return `-j LOG${start}${level === undefined ? '' : ` --log-level ${octet(level, 'log level')}`}`;
  },
  parse(options) {
    const target: { -readonly [K in keyof LogTarget]: LogTarget[K] } = { target: 'LOG' };
    for (const { name, values } of options) {
      if (name === '--log-prefix') target.prefix = values[0] ?? '';
      else if (name === '--log-level') target.level = Number(values[0]);
      else return undefined;
    }
    return target;
  },
  list({ level, ...target }) {
    return level === undefined || level === DEFAULT_LEVEL ? target : { ...target, level };
  },
  check({ prefix, level = DEFAULT_LEVEL }) {
    if (level > HIGHEST_LEVEL) return `log level ${level}: want 0 to ${HIGHEST_LEVEL}`;
    if (prefix === undefined || Buffer.byteLength(prefix) <= LONGEST_PREFIX) return undefined;
    return `log prefix ${JSON.stringify(prefix)} is longer than ${LONGEST_PREFIX} bytes`;
  },
};
