import { parseDuration } from './duration.ts';

/** Reads one variable; `main.ts` passes `(name) => process.env[name]`, tests pass a map's `get`. */
export type Lookup = (name: string) => string | undefined;

const maxUnsigned32 = 0xffff_ffff;

/** Reads typed variables and collects what is wrong with them, so that all can be told at once. */
export class Environment {
  readonly problems: string[] = [];
  readonly #lookup: Lookup;

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  /** The text of a variable that is set, also if empty. */
  text(name: string): string | undefined {
    return this.#lookup(name);
  }

  /** Notes that `name` has a bad value. */
  refuse(name: string, reason: string): void {
    this.problems.push(`invalid env var ${name}=${this.#lookup(name) ?? ''} (${reason})`);
  }

  boolean(name: string, fallback: boolean): boolean {
    return this.optionalBoolean(name) ?? fallback;
  }

  optionalBoolean(name: string): boolean | undefined {
    const text = this.#lookup(name);
    if (text === undefined) return undefined;
    if (text === 'true' || text === 'false') return text === 'true';
    this.refuse(name, 'provided string was not `true` or `false`');
    return undefined;
  }

  /** A whole number from `least` on, at most 2^32-1. */
  integer(name: string, fallback: number, least = 0): number {
    const text = this.#lookup(name);
    if (text === undefined) return fallback;
    const problem = integerProblem(text);
    if (problem !== undefined) this.refuse(name, problem);
    else if (Number(text) < least) this.refuse(name, `must be at least ${least}`);
    else return Number(text);
    return fallback;
  }

  /** Milliseconds. */
  durationMs(name: string, fallback: number): number {
    return this.optionalDurationMs(name) ?? fallback;
  }

  optionalDurationMs(name: string): number | undefined {
    const text = this.#lookup(name);
    if (text === undefined) return undefined;
    const ms = parseDuration(text);
    if (ms === undefined) this.refuse(name, `${text}\n^\n`);
    return ms;
  }
}

/** Why `text` is not a whole number below 2^32, in the words of the reference; undefined if it is. */
export function integerProblem(text: string): string | undefined {
  if (text === '') return 'cannot parse integer from empty string';
  if (!/^\+?\d+$/.test(text)) return 'invalid digit found in string';
  return Number(text) > maxUnsigned32 ? 'number too large to fit in target type' : undefined;
}
