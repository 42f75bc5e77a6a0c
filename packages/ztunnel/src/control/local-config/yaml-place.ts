import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { ZtunnelError } from '../errors.ts';

/** Characters of a value that a message repeats: it may be megabytes, or what another file holds that was named by mistake. */
const maxShown = 80;
/** Of a message that somebody else has made: it may repeat several values. */
export const maxForeignMessage = 240;

/** The beginning of a text, for messages. */
export function showBeginning(text: string, most = maxShown): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}

/** A YAML document that is read with the position of each mistake. */
export class YamlSource {
  readonly root: YamlPlace | undefined;
  /** The first syntax error, if any; told after the unknown keys of the top level, as readers of streams do. */
  readonly syntaxError: string | undefined;
  readonly #lines = new LineCounter();

  constructor(text: string) {
    const document = parseDocument(text, { lineCounter: this.#lines, uniqueKeys: false, merge: false });
    const message = document.errors[0]?.message.split('\n')[0];
    this.syntaxError = message === undefined ? undefined : showBeginning(message, maxForeignMessage);
    const { contents } = document;
    this.root = contents === null || isNull(contents) ? undefined : new YamlPlace(this, { node: contents, path: '' });
  }

  /** Of a node, from 1. */
  position(node: Node): { readonly line: number; readonly column: number } {
    const { line, col: column } = this.#lines.linePos(node.range?.[0] ?? 0);
    return { line, column };
  }
}

/** A value in the document, with its path. Its methods throw ZtunnelError (ZTUNNEL_LOCAL_CONFIG_INVALID) naming the place. */
export class YamlPlace {
  readonly path: string;
  /** The tag in front of the value (`!Exact`), without the exclamation mark; empty if there is none. */
  readonly tag: string;
  readonly #source: YamlSource;
  readonly #node: Node;
  /** Where mistakes are told; the reference tells those of a workload at the workload. */
  readonly #anchor: { readonly node: Node; readonly path: string } | undefined;

  constructor(
    source: YamlSource,
    at: {
      readonly node: Node;
      readonly path: string;
      readonly anchor?: { readonly node: Node; readonly path: string };
    },
  ) {
    this.#source = source;
    this.#node = at.node;
    this.path = at.path;
    this.#anchor = at.anchor;
    this.tag = typeof at.node.tag === 'string' && at.node.tag.startsWith('!') ? at.node.tag.slice(1) : '';
  }

  /** The same place, with all mistakes inside of it told at itself. */
  anchored(): YamlPlace {
    return new YamlPlace(this.#source, {
      node: this.#node,
      path: this.path,
      anchor: { node: this.#node, path: this.path },
    });
  }

  fail(message: string): never {
    const { path, node } = this.#anchor ?? { path: this.path, node: this.#node };
    const { line, column } = this.#source.position(node);
    const at = path === '' ? '' : ` at line ${line} column ${column}`;
    throw new ZtunnelError('ZTUNNEL_LOCAL_CONFIG_INVALID', `${path === '' ? '' : `${path}: `}${message}${at}`);
  }

  /** Where it begins, from 1. */
  get line(): number {
    return this.#source.position(this.#node).line;
  }

  get isEmptyValue(): boolean {
    return isNull(this.#node);
  }

  /**
   * The fields of a map. `unknown` says what to do with a key that is not in `known`; `own` are keys that only we know: they
   * are taken, but complaints list those of the reference.
   */
  fields(
    known: readonly string[],
    unknown: 'refuse' | 'refuse and list' | 'ignore' = 'refuse',
    own: readonly string[] = [],
  ): YamlFields {
    const fields = new Map<string, YamlPlace>();
    for (const [key, place, keyPlace] of this.entries()) {
      if (known.includes(key) || own.includes(key)) {
        if (fields.has(key)) keyPlace.fail(`duplicate field \`${showBeginning(key)}\``);
        if (!place.isEmptyValue) fields.set(key, place);
      } else if (unknown !== 'ignore') {
        const list = `, expected one of ${known.map((name) => `\`${name}\``).join(', ')}`;
        keyPlace.fail(
          `unknown field \`${showBeginning(key)}\`${unknown === 'refuse and list' || this.path === '' ? list : ''}`,
        );
      }
    }
    return new YamlFields(this, fields);
  }

  /** The entries of a map with free keys; `keyPlace` is for telling that a key is wrong. */
  entries(): [key: string, place: YamlPlace, keyPlace: YamlPlace][] {
    if (!isMap<Node, Node | null>(this.#node)) this.fail(`invalid type: ${this.#kind()}, expected a map`);
    return this.#node.items.map(({ key, value }) => {
      const name = isScalar(key) ? String(key.value) : '';
      const shown = showBeginning(name);
      const path = this.path === '' ? shown : `${this.path}.${shown}`;
      // A key without a value has no node: it is told at the key.
      const inside = (node: Node, at: string): YamlPlace =>
        new YamlPlace(this.#source, {
          node,
          path: at,
          ...(this.#anchor === undefined ? {} : { anchor: this.#anchor }),
        });
      return [name, inside(value ?? key, path), inside(key, this.path)];
    });
  }

  items(): YamlPlace[] {
    if (!isSeq<Node>(this.#node)) this.fail(`invalid type: ${this.#kind()}, expected a sequence`);
    return this.#node.items.map(
      (node, index) =>
        new YamlPlace(this.#source, {
          node,
          path: `${this.path}[${index}]`,
          ...(this.#anchor === undefined ? {} : { anchor: this.#anchor }),
        }),
    );
  }

  /** The value as untyped data. */
  data(): unknown {
    return this.#node.toJSON();
  }

  text(): string {
    if (isScalar(this.#node) && typeof this.#node.value === 'string') return this.#node.value;
    return this.fail(`invalid type: ${this.#kind()}, expected a string`);
  }

  boolean(): boolean {
    if (isScalar(this.#node) && typeof this.#node.value === 'boolean') return this.#node.value;
    return this.fail(`invalid type: ${this.#kind()}, expected a boolean`);
  }

  /** A whole number from 0 to `most`. */
  integer(most: number): number {
    const value: unknown = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value;
    return this.fail(`invalid value: ${this.#kind()}, expected a whole number up to ${most}`);
  }

  /** One of the texts of an enumeration. */
  variant<T extends string>(variants: readonly T[]): T {
    const text = this.text();
    const found = variants.find((name) => name === text);
    if (found !== undefined) return found;
    const names = variants.map((name) => `\`${name}\``);
    const list = names.length === 2 ? names.join(' or ') : `one of ${names.join(', ')}`;
    return this.fail(`unknown variant \`${showBeginning(text)}\`, expected ${list}`);
  }

  #kind(): string {
    if (isMap(this.#node)) return 'map';
    if (isSeq(this.#node)) return 'sequence';
    if (!isScalar(this.#node)) return 'alias';
    const { value } = this.#node;
    return `${typeof value} ${typeof value === 'string' ? JSON.stringify(showBeginning(value)) : String(value)}`;
  }
}

/** The known fields of a map; a field without a value counts as absent. */
export class YamlFields {
  readonly #map: YamlPlace;
  readonly #fields: ReadonlyMap<string, YamlPlace>;

  constructor(map: YamlPlace, fields: ReadonlyMap<string, YamlPlace>) {
    this.#map = map;
    this.#fields = fields;
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }

  required(name: string): YamlPlace {
    return this.#fields.get(name) ?? this.#map.fail(`missing field \`${name}\``);
  }

  optional<T>(name: string, read: (place: YamlPlace) => T): T | undefined {
    const place = this.#fields.get(name);
    return place === undefined ? undefined : read(place);
  }

  /** A text, `fallback` if absent. */
  text(name: string, fallback = ''): string {
    return this.optional(name, (place) => place.text()) ?? fallback;
  }

  boolean(name: string): boolean {
    return this.optional(name, (place) => place.boolean()) ?? false;
  }

  /** A list, empty if absent. */
  list<T>(name: string, read: (place: YamlPlace) => T): T[] {
    return this.optional(name, (place) => place.items().map(read)) ?? [];
  }
}

function isNull(node: Node): boolean {
  return isScalar(node) && node.value === null;
}
