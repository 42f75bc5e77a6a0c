import { type Document, LineCounter, parseAllDocuments } from 'yaml';
import { inspectDocument } from './inspect-document.ts';
import { OffsetFinder } from './offset-finder.ts';
import { YAML_FORM } from './yaml-form.ts';

/** A mistake of syntax. */
export interface SyntaxFault {
  /** `FILE:LINE:COLUMN`. */
  readonly place: string;
  readonly message: string;
}

/** One document of a YAML (or JSON) file as plain data; positions are told where something is wrong with it. */
export interface YamlDocument {
  /** Name of the file as it is told: `standard input` for `-`. */
  readonly file: string;
  /** Plain data; undefined if there are faults. */
  readonly value: unknown;
  /** Without any, `value` is what the document says. */
  readonly faults: readonly SyntaxFault[];
  /**
   * `FILE:LINE:COLUMN` of the value at a path such as `spec.rules[0].from[1].source`, or of the last that is there on the
   * way to it; the start of the document for an empty one. Keys may have dots in them, in brackets and quotes or not.
   */
  readonly locate: (path: string) => string;
}

/**
 * The documents of a text, without the empty ones; the items of a `List` of Kubernetes, as `kubectl get -o yaml` prints
 * it, are documents of their own. Objects of Kubernetes are read as it does: `yes` and `on` are booleans there (YAML 1.1). Never
 * throws: a document with wrong syntax has `faults`.
 */
export function parseYamlDocuments(file: string, text: string): readonly YamlDocument[] {
  const lineCounter = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  try {
    const documents = parseAllDocuments(text.replace(/^\uFEFF/, ''), { ...YAML_FORM, lineCounter });
    return documents.flatMap((document) => readDocument(document, file, at));
  } catch (error) {
    // The library descends by recursion: ten thousand opening brackets overflow the stack.
    const fault = { place: `${file}:1:1`, message: `cannot be read: ${firstLine(String(error))}` };
    return [{ file, value: undefined, faults: [fault], locate: () => fault.place }];
  }
}

type PlaceOf = (offset: number) => string;

function readDocument(document: Document.Parsed, file: string, at: PlaceOf): readonly YamlDocument[] {
  const start = document.contents?.range[0] ?? document.range[0];
  const faults = document.errors.map(({ pos, message }) => ({ place: at(pos[0]), message: firstLine(message) }));
  let value: unknown;
  let finder: OffsetFinder | undefined;
  if (faults.length === 0) {
    try {
      const inspection = inspectDocument(document);
      for (const { offset, message } of inspection.faults) faults.push({ place: at(offset), message });
      // The inspection has bounded what aliases stand for; the library would count them.
      if (faults.length === 0) value = document.toJS({ maxAliasCount: -1 });
      finder = new OffsetFinder(document, inspection.targets);
    } catch (error) {
      faults.push({ place: at(start), message: error instanceof Error ? firstLine(error.message) : String(error) });
    }
  }
  if (faults.length > 0) return [{ file, value: undefined, faults, locate: () => at(start) }];
  if (value === null) return [];
  const locate = (prefix: string) => (path: string) => at(finder?.find(`${prefix}${path}`) ?? start);
  const items = listItems(value);
  if (items === undefined) return [{ file, value, faults, locate: locate('') }];
  return items.map((item, index) => ({ file, value: item, faults, locate: locate(`items[${index}].`) }));
}

/** Items of a `List` of Kubernetes, and of a list of one kind: `AuthorizationPolicyList`; undefined of anything else. */
export function listItems(value: unknown): readonly unknown[] | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('items' in value)) return undefined;
  const { kind, items } = value;
  return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items) ? items : undefined;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}
