import type { Family } from '../rule.ts';

/** Why words that the tools take are not taken here: what they mean depends on the machine that loads them. */
export interface Refusal {
  readonly refused: string;
}

/** An option of an extension, with all names it may be written by. */
export interface OptionSpelling {
  /** Without dashes; the first is how it is listed. */
  readonly names: readonly [string, ...string[]];
  /** Words behind it. */
  readonly values: 0 | 1 | 2;
  /** No abbreviation means it. */
  readonly exact?: true;
  /** First names of options that the tool does not take beside it; one of a pair may say so for both. */
  readonly excludes?: readonly string[];
  /** The option as listed, dashes included; undefined where the values are not understood: then it stays as written. */
  respell?(values: readonly string[], family: Family): string | Refusal | undefined;
}

/** An extension, as it is written by people and listed by the tools. */
export interface ExtensionSpelling {
  /** How it is listed, where that is not how it is written. */
  readonly name?: string;
  /** All that the tool knows, or abbreviations would be taken for others; in the order of a listing if `ordered`. */
  readonly options: readonly OptionSpelling[];
  readonly ordered: boolean;
  /** Options that are listed although they were not written, by the names of those that were. */
  defaults?(given: ReadonlySet<string>, family: Family): readonly OptionText[];
}

/** An option that is written out. */
export interface OptionText {
  readonly name: string;
  readonly text: string;
}

/** An option without values, which is listed by its first name. */
export function flag(...names: readonly [string, ...string[]]): OptionSpelling {
  return { names, values: 0, respell: () => `--${names[0]}` };
}

/** An option with one value that `respell` reads; undefined where it does not understand it. */
export function valued(
  names: readonly [string, ...string[]],
  respell: (value: string, family: Family) => string | Refusal | undefined,
): OptionSpelling {
  return {
    names,
    values: 1,
    respell([value = ''], family) {
      const text = respell(value, family);
      return typeof text === 'string' ? `--${names[0]} ${text}` : text;
    },
  };
}

/** Options whose values stay as written. */
export function verbatim(values: 0 | 1 | 2, names: string): readonly OptionSpelling[] {
  return names.split(' ').map((name) => ({ names: [name], values }));
}
