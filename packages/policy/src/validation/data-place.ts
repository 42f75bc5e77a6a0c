import type { Problem } from '../problem.ts';
import { describeValue, listChoices } from './describe-value.ts';
import { findSimilar } from './find-similar.ts';

/**
 * How maps are read. `own`: names as they are, null is a value. `object`: as the API server reads objects, null means that
 * a field is not set. `proto`: JSON of protocol buffers, the same, and `notSourceIps` may be written `not_source_ips`.
 */
export type FieldStyle = 'own' | 'object' | 'proto';

/** Fields of a map that are looked through one after the other: for so few that is the quickest. */
const MOST_LISTED = 32;

/** A value inside of untyped data, with its path. Mistakes are collected, not thrown: what cannot be read is undefined. */
export class DataPlace {
  readonly value: unknown;
  /** Of the whole data, in the order found. */
  readonly problems: Problem[];
  readonly #parent: DataPlace | undefined;
  readonly #key: string | number;

  /** The top of some data; or, with `parent`, the value of a field or an item inside of that. */
  constructor(value: unknown, parent?: DataPlace, key: string | number = '') {
    this.value = value;
    this.problems = parent?.problems ?? [];
    this.#parent = parent;
    this.#key = key;
  }

  /** From the top of the data: `rules[0][1]`. Made only when asked for: most data is right. */
  get path(): string {
    const [parent, key] = [this.#parent?.path, this.#key];
    if (parent === undefined) return '';
    if (typeof key === 'number') return `${parent}[${key}]`;
    if (!/^[\w$-]+$/.test(key)) return `${parent}[${JSON.stringify(key)}]`;
    return parent === '' ? key : `${parent}.${key}`;
  }

  /** Notes that this value is wrong. */
  fail(message: string): undefined {
    this.problems.push({ severity: 'error', path: this.path, message });
  }

  /** Notes that this value is taken, but hardly does what was meant. */
  doubt(message: string): void {
    this.problems.push({ severity: 'warning', path: this.path, message });
  }

  /** Notes that this value is of the wrong kind: `want` says what it should be. */
  refuse(want: string): undefined {
    return this.fail(`want ${want}, not ${describeValue(this.value)}`);
  }

  text(): string | undefined {
    return typeof this.value === 'string' ? this.value : this.refuse('text');
  }

  boolean(): boolean | undefined {
    return typeof this.value === 'boolean' ? this.value : this.refuse('true or false');
  }

  /** A whole number from 0 to `most`. */
  integer(most: number): number | undefined {
    const { value } = this;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value;
    return this.refuse(`a whole number from 0 to ${most}`);
  }

  /** One of some texts. */
  choice<T extends string>(allowed: readonly T[]): T | undefined {
    return allowed.find((name) => name === this.value) ?? this.refuse(listChoices(allowed));
  }

  /** Its items, each read; undefined if it is no list or one of them cannot be read. */
  list<T>(read: (item: DataPlace) => T | undefined): T[] | undefined {
    if (!Array.isArray(this.value)) return this.refuse('a list');
    const items: T[] = [];
    for (let index = 0; index < this.value.length; index++) {
      const item = read(new DataPlace(this.value[index], this, index));
      if (item !== undefined) items.push(item);
    }
    return items.length === this.value.length ? items : undefined;
  }

  /** Its fields; those that are not in `known` are noted as wrong, and so is a value that is no map. */
  fields(known: readonly string[], style: FieldStyle = 'own'): DataFields {
    const { value } = this;
    const fields = new Map<string, DataPlace>();
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.refuse('a map');
      return new DataFields(this, undefined);
    }
    const isKnown = nameFinder(known);
    for (const [key, inside] of Object.entries(value)) {
      if (inside === undefined || (style !== 'own' && inside === null)) continue;
      const place = new DataPlace(inside, this, key);
      const name = style === 'proto' && key.includes('_') ? jsonName(key) : key;
      if (!isKnown(name)) place.fail(describeUnknown(name, known, this.problems.length));
      else if (fields.has(name)) place.fail(`is there twice: in another spelling, too`);
      else fields.set(name, place);
    }
    return new DataFields(this, fields);
  }
}

/** Maps of any keys give their own ones: looking through a list of them would take their square. */
function nameFinder(known: readonly string[]): (name: string) => boolean {
  if (known.length <= MOST_LISTED) return (name) => known.includes(name);
  const names = new Set(known);
  return (name) => names.has(name);
}

/** So many mistakes are worth guessing what was meant. */
const MOST_GUESSED = 32;

function describeUnknown(name: string, known: readonly string[], before: number): string {
  const similar = before < MOST_GUESSED ? findSimilar(name, known) : undefined;
  return `unknown field: ${similar === undefined ? '' : `did you mean ${similar}? `}want ${listChoices(known) || 'none'}`;
}

/** The fields of a map; without any, silently, if it is none. */
export class DataFields {
  readonly #map: DataPlace;
  readonly #fields: ReadonlyMap<string, DataPlace> | undefined;

  constructor(map: DataPlace, fields: ReadonlyMap<string, DataPlace> | undefined) {
    this.#map = map;
    this.#fields = fields;
  }

  /** Known names of the fields that are there. */
  get names(): readonly string[] {
    return [...(this.#fields?.keys() ?? [])];
  }

  /** The field, read; undefined if it is not there or cannot be read. */
  optional<T>(name: string, read: (place: DataPlace) => T | undefined): T | undefined {
    const place = this.#fields?.get(name);
    return place && read(place);
  }

  /** As `optional`, but noted as missing if it is not there; `want` says what should be. */
  required<T>(name: string, want: string, read: (place: DataPlace) => T | undefined): T | undefined {
    const place = this.#fields?.get(name);
    if (place !== undefined) return read(place);
    if (this.#fields !== undefined) new DataPlace(undefined, this.#map, name).fail(`is missing: want ${want}`);
  }
}

/** The parts together if all of them could be read. */
export function complete<T extends object>(parts: { readonly [K in keyof T]: T[K] | undefined }): T | undefined {
  return isComplete<T>(parts) ? parts : undefined;
}

function isComplete<T extends object>(parts: T | { readonly [K in keyof T]: T[K] | undefined }): parts is T {
  return Object.values(parts).every((part) => part !== undefined);
}

/** The name in JSON of a field of a .proto file: `notSourceIps` of `not_source_ips`. */
function jsonName(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
