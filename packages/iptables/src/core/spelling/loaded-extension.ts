import type { Family } from '../rule.ts';
import type { ExtensionSpelling, OptionSpelling } from './option-spelling.ts';

interface Given {
  readonly name: string;
  readonly rank: number;
  readonly text: string;
}

/** How an extension came into a rule: by `-m`, by `-j`, or by the protocol when one of its options was met. */
export type Loading = '-m' | '-j' | 'protocol';

/** An extension of one rule, with the options that were written for it. */
export class LoadedExtension {
  readonly loading: Loading;
  /** Undefined: nothing is known of its options, so they stay as written. */
  readonly spelling: ExtensionSpelling | undefined;
  /** As listed. */
  readonly name: string;
  readonly #given: Given[] = [];

  /** `name` as written. */
  constructor(loading: Loading, name: string, spelling: ExtensionSpelling | undefined) {
    this.loading = loading;
    this.spelling = spelling;
    this.name = spelling?.name ?? name;
  }

  /** Its options by exact name. */
  optionNamed(name: string): OptionSpelling | undefined {
    return this.spelling?.options.find(({ names }) => names.includes(name));
  }

  /** Its options that `start` may stand for. */
  optionsFrom(start: string): readonly OptionSpelling[] {
    const meant = ({ names, exact }: OptionSpelling) => exact !== true && names.some((name) => name.startsWith(start));
    return this.spelling?.options.filter(meant) ?? [];
  }

  /** Whether the option was given. */
  has(option: OptionSpelling): boolean {
    return this.#given.some(({ name }) => name === option.names[0]);
  }

  /** The first name of an option that was given and cannot stand beside this one. */
  rivalOf(option: OptionSpelling): string | undefined {
    return this.#given.find(
      ({ name }) => option.excludes?.includes(name) || this.optionNamed(name)?.excludes?.includes(option.names[0]),
    )?.name;
  }

  /** Takes an option, written out. */
  give(option: OptionSpelling, text: string): void {
    this.#given.push({ name: option.names[0], rank: this.spelling?.options.indexOf(option) ?? 0, text });
  }

  /** Takes words behind all others, as written. */
  giveWords(text: string): void {
    this.#given.push({ name: text, rank: 0, text });
  }

  /** As listed. Where it may be `implicit`, the name is left out if the data knows it without. */
  render(family: Family, implicit = false): string {
    const known = this.#given.every(({ name }) => name !== 'tcp-option');
    const unnamed = implicit && known && (this.name === 'tcp' || this.name === 'udp');
    const { spelling } = this;
    const given = [...this.#given];
    for (const { name, text } of spelling?.defaults?.(new Set(given.map((one) => one.name)), family) ?? [])
      given.push({ name, text, rank: spelling?.options.findIndex(({ names }) => names[0] === name) ?? 0 });
    const ordered = spelling?.ordered === true ? given.toSorted((a, b) => a.rank - b.rank) : given;
    const words = ordered.map(({ text }) => text);
    return (unnamed ? words : [this.loading === '-j' ? '-j' : '-m', this.name, ...words]).join(' ');
  }
}
