import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { nameOfKey } from './inspect-document.ts';

/** Finds places in the text of one document. Indexes the maps that it comes by: a path costs little, however large they are. */
export class OffsetFinder {
  readonly #document: Document.Parsed;
  readonly #targets: ReadonlyMap<Alias, Node>;
  readonly #indexes = new Map<YAMLMap, KeyIndex>();

  /** `targets`: what each alias stands for. */
  constructor(document: Document.Parsed, targets: ReadonlyMap<Alias, Node>) {
    this.#document = document;
    this.#targets = targets;
  }

  /**
   * Where in its text the document has the value at `path` (`spec.rules[0].from[1].source`), or the last that is there on
   * the way to it: of a scalar and of an item the value, else the key.
   */
  find(path: string): number {
    let node: Node | undefined = this.#document.contents ?? undefined;
    let offset = node?.range?.[0] ?? this.#document.range[0];
    let rest = path;
    while (node !== undefined && rest !== '') {
      const inside: Node = isAlias(node) ? (this.#targets.get(node) ?? node) : node;
      const step: Step | undefined = isSeq(inside)
        ? stepIntoSequence(inside, rest)
        : isMap(inside)
          ? stepIntoMap(this.#indexOf(inside), rest)
          : undefined;
      if (step === undefined) break;
      offset = step.offset;
      node = step.node;
      rest = rest.slice(step.length);
    }
    return offset;
  }

  #indexOf(map: YAMLMap): KeyIndex {
    let index = this.#indexes.get(map);
    if (index === undefined) {
      index = indexKeys(map);
      this.#indexes.set(map, index);
    }
    return index;
  }
}

interface Step {
  readonly node: Node | undefined;
  readonly offset: number;
  /** How much of the path it is. */
  readonly length: number;
}

function stepIntoSequence(sequence: YAMLSeq, path: string): Step | undefined {
  const [whole = '', index = ''] = /^\.?\[(\d+)\]/.exec(path) ?? [];
  const item = whole === '' ? undefined : sequence.items[Number(index)];
  return isNode(item) ? { node: item, offset: item.range?.[0] ?? 0, length: whole.length } : undefined;
}

/** The pairs of a map by name. */
interface KeyIndex {
  readonly pairs: ReadonlyMap<string, Pair>;
  /** Of the names, each once, the longest first. */
  readonly lengths: readonly number[];
}

function indexKeys({ items }: YAMLMap): KeyIndex {
  const pairs = new Map<string, Pair>();
  for (const pair of items) {
    const name = nameOfKey(pair.key);
    if (name !== undefined) pairs.set(name, pair);
  }
  const lengths = [...new Set([...pairs.keys()].map(({ length }) => length))].toSorted((left, right) => right - left);
  return { pairs, lengths };
}

/** The longest key that fits: keys such as `istio.io/dry-run` have dots of their own. */
function stepIntoMap(index: KeyIndex, path: string): Step | undefined {
  const quoted = stepToQuoted(index, path);
  if (quoted !== undefined) return quoted;
  for (const length of index.lengths)
    for (const [open, close] of WRAPPINGS) {
      const end = open.length + length + close.length;
      if (end === 0 || !endsKey(path, end) || !path.startsWith(open) || !path.startsWith(close, end - close.length))
        continue;
      const pair = index.pairs.get(path.slice(open.length, open.length + length));
      if (pair !== undefined) return stepTo(pair, end);
    }
  return undefined;
}

/** How a key may stand in a path; in quotes it may also have escapes. */
const WRAPPINGS = [
  ['.["', '"]'],
  ['["', '"]'],
  ['[', ']'],
  ['.', ''],
  ['', ''],
] as const;

function stepToQuoted({ pairs }: KeyIndex, path: string): Step | undefined {
  const [whole = '', text = ''] = /^\.?\[("[^"\\]*(?:\\.[^"\\]*)*")\]/.exec(path) ?? [];
  if (!text.includes('\\') || !endsKey(path, whole.length)) return undefined;
  const pair = pairs.get(unquote(text));
  return pair && stepTo(pair, whole.length);
}

function unquote(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}

function endsKey(path: string, end: number): boolean {
  return end === path.length || path[end] === '.' || path[end] === '[';
}

function stepTo({ key, value }: Pair, length: number): Step {
  const node = isNode(value) ? value : undefined;
  const place = isScalar(node) ? node : isNode(key) ? key : undefined;
  return { node, offset: place?.range?.[0] ?? 0, length };
}
