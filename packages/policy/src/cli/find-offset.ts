import { type Document, isMap, isPair, isScalar, isSeq, type Node, type Pair, type YAMLMap, type YAMLSeq } from 'yaml';

/**
 * Where in its text a document has the value at `path` (`spec.rules[0].from[1].source`), or the last that is there on the
 * way to it: of a scalar and of an item the value, else the key.
 */
export function findOffset(document: Document.Parsed, path: string): number {
  let node: Node | undefined = document.contents ?? undefined;
  let offset = node?.range?.[0] ?? document.range[0];
  let rest = path;
  while (node !== undefined && rest !== '') {
    const inside: Node = 'resolve' in node ? (node.resolve(document) ?? node) : node;
    const step: Step | undefined = isSeq(inside)
      ? stepIntoSequence(inside, rest)
      : isMap(inside)
        ? stepIntoMap(inside, rest)
        : undefined;
    if (step === undefined) break;
    offset = step.offset;
    node = step.node;
    rest = rest.slice(step.length);
  }
  return offset;
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

/** The longest key that fits: keys such as `istio.io/dry-run` have dots of their own. */
function stepIntoMap(map: YAMLMap, path: string): Step | undefined {
  let best: Step | undefined;
  for (const pair of map.items) {
    const step = stepToPair(pair, path);
    if (step !== undefined && step.length > (best?.length ?? 0)) best = step;
  }
  return best;
}

function stepToPair(pair: Pair, path: string): Step | undefined {
  if (!isPair(pair) || !isScalar(pair.key)) return undefined;
  const length = keyLength(path, String(pair.key.value));
  if (length === undefined) return undefined;
  const node = isNode(pair.value) ? pair.value : undefined;
  return { node, offset: (isScalar(node) ? node : pair.key).range?.[0] ?? 0, length };
}

/** How much of `path` this key is, with the dot before it or brackets around it; undefined if `path` leads elsewhere. */
function keyLength(path: string, key: string): number | undefined {
  for (const text of [key, `.${key}`, `[${key}]`, `["${key}"]`, `.["${key}"]`]) {
    const next = path[text.length];
    if (path.startsWith(text) && (next === undefined || next === '.' || next === '[')) return text.length;
  }
  return undefined;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'range' in value;
}
