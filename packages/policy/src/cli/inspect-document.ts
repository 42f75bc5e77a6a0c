import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { readKubernetesScalar } from './kubernetes-scalar.ts';

/** Values that aliases may add to a document: many more would be an attack, for each alias may multiply what it stands for. */
const MOST_ALIASED_VALUES = 1_000_000;

/** What has to be known of a document before its values are taken from it. */
export interface Inspection {
  /** What each alias stands for. */
  readonly targets: ReadonlyMap<Alias, Node>;
  /** In the order found; offsets in the text. */
  readonly faults: readonly { readonly offset: number; readonly message: string }[];
}

/**
 * Finds keys that are there twice, and aliases that stand for nothing, for what they are in themselves, or for too much:
 * a value that is behind many aliases counts as often. Objects of Kubernetes in the document are changed to what Kubernetes
 * takes them for. Costs what the document is.
 */
export function inspectDocument({ contents }: Document.Parsed): Inspection {
  const walk = new Walk();
  if (contents !== null) walk.measure(contents);
  return walk;
}

class Walk implements Inspection {
  readonly targets = new Map<Alias, Node>();
  readonly faults: { offset: number; message: string }[] = [];
  readonly #anchors = new Map<string, Node>();
  /** Values in each anchored node; undefined as long as it is open. */
  readonly #sizes = new Map<Node, number>();
  #aliasedValues = 0;
  /** Whether it is inside of an object of Kubernetes. */
  #inObject = false;

  /** The number of values in it, with all that its aliases stand for. */
  measure(node: Node): number {
    if (isAlias(node)) return this.#measureAlias(node);
    const { anchor } = node as { anchor?: string };
    // An alias stands for the last node before it that has its name.
    if (anchor !== undefined) this.#anchors.set(anchor, node);
    const size = 1 + this.#measureInside(node);
    if (anchor !== undefined) this.#sizes.set(node, size);
    return size;
  }

  #measureAlias(alias: Alias): number {
    const target = this.#anchors.get(alias.source);
    if (target === undefined) return this.#fail(alias, `no anchor before the alias *${alias.source}`);
    const size = this.#sizes.get(target);
    if (size === undefined) return this.#fail(alias, `the alias *${alias.source} stands for something that it is in`);
    this.targets.set(alias, target);
    const before = this.#aliasedValues;
    this.#aliasedValues += size;
    if (before <= MOST_ALIASED_VALUES && this.#aliasedValues > MOST_ALIASED_VALUES)
      this.#fail(alias, `with this alias, aliases stand for more than ${MOST_ALIASED_VALUES} values`);
    return size;
  }

  #measureInside(node: Node): number {
    if (isScalar(node)) this.#readScalar(node);
    if (isMap(node)) return this.#measureMap(node);
    if (!isSeq<Node>(node)) return 0;
    let size = 0;
    for (const item of node.items) size += this.measure(item);
    return size;
  }

  #measureMap(map: YAMLMap): number {
    const outside = this.#inObject;
    this.#inObject ||= map.has('apiVersion') && map.has('kind');
    const names = new Set<string>();
    let size = 0;
    for (const { key, value } of map.items) {
      if (isNode(key)) size += this.measure(key);
      if (isNode(value)) size += this.measure(value);
      const name = nameOfKey(key);
      if (name !== undefined && isNode(key) && names.has(name)) this.#fail(key, `the key ${name} is there twice`);
      if (name !== undefined) names.add(name);
    }
    this.#inObject = outside;
    return size;
  }

  #readScalar(scalar: Scalar): void {
    if (this.#inObject && scalar.type === 'PLAIN' && scalar.tag === undefined && typeof scalar.value !== 'symbol')
      scalar.value = readKubernetesScalar(scalar.source ?? '', scalar.value);
  }

  #fail(node: Node, message: string): 0 {
    this.faults.push({ offset: node.range?.[0] ?? 0, message });
    return 0;
  }
}

/** The name of the field that a key becomes; undefined for one that may be repeated (`<<`) and for lists and maps. */
export function nameOfKey(key: unknown): string | undefined {
  if (!isScalar(key) || typeof key.value === 'symbol') return undefined;
  const { value } = key;
  if (typeof value === 'object') return value === null ? '' : JSON.stringify(value);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}
