/** Fields of one log line by name: texts, numbers as they were written. */
export type LogFields = ReadonlyMap<string, string>;

/** Why something cannot be read. */
export interface Fault {
  readonly fault: string;
}

/**
 * Reads `key=value key="value" …` as the plain form prints them: texts in quotes with the escapes of Rust's `{:?}`;
 * numbers and addresses without. A line with one key twice is refused, for its reader would have to choose.
 */
export function parsePlainFields(text: string): LogFields | Fault {
  const fields = new Map<string, string>();
  let at = 0;
  while (at < text.length) {
    const equals = text.indexOf('=', at);
    const key = text.slice(at, equals);
    if (equals < 0 || !KEY.test(key)) return { fault: `no key=value at ${excerpt(text.slice(at))}` };
    if (fields.has(key)) return { fault: `field ${key} is there twice` };
    const read = text[equals + 1] === '"' ? readText(key, text, equals + 1) : readBare(text, equals + 1);
    if (read === undefined) return { fault: `field ${key}: no text in quotes at ${excerpt(text.slice(equals + 1))}` };
    fields.set(key, read.value);
    at = read.end;
    if (at < text.length) at++;
  }
  return fields;
}

/** Reads the fields of the JSON form: everything in the object that is a text or a number. */
export function readJsonFields(line: object): LogFields {
  const fields = new Map<string, string>();
  for (const [key, value] of Object.entries(line))
    if (typeof value === 'string' || typeof value === 'number') fields.set(key, String(value));
  return fields;
}

const KEY = /^[\w.]+$/;
const LONGEST_EXCERPT = 40;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ["'", "'"],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['0', '\0'],
]);

interface Value {
  readonly value: string;
  /** Index behind the value: of a space, or the end. */
  readonly end: number;
}

/**
 * Addresses are printed without quotes, and without spaces: a host name may begin with a quote, and is no text then,
 * whatever stands behind it.
 */
function readText(key: string, text: string, start: number): Value | undefined {
  const bare = key.endsWith('addr') ? readBare(text, start) : undefined;
  return bare !== undefined && /:\d{1,5}$/.test(bare.value) ? bare : readQuoted(text, start);
}

/** Undefined if the text has no end before a space or the end of the line, or an escape that is none. */
function readQuoted(text: string, start: number): Value | undefined {
  const pieces: string[] = [];
  let piece = start + 1;
  for (let at = piece; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      pieces.push(text.slice(piece, at));
      const end = at + 1;
      return end === text.length || text[end] === ' ' ? { value: pieces.join(''), end } : undefined;
    }
    if (character !== '\\') continue;
    pieces.push(text.slice(piece, at));
    const escape = readEscape(text, at + 1);
    if (escape === undefined) return undefined;
    pieces.push(escape.value);
    at = escape.end - 1;
    piece = escape.end;
  }
  return undefined;
}

/** What stands behind a backslash. */
function readEscape(text: string, at: number): Value | undefined {
  const character = text[at] ?? '';
  const simple = ESCAPES.get(character);
  if (simple !== undefined) return { value: simple, end: at + 1 };
  const [whole, digits = ''] = /^u\{([\da-f]{1,6})\}/i.exec(text.slice(at, at + 'u{10ffff}'.length)) ?? [];
  const codePoint = Number.parseInt(digits, 16);
  if (whole === undefined || codePoint > 0x10_ffff) return undefined;
  return { value: String.fromCodePoint(codePoint), end: at + whole.length };
}

function readBare(text: string, start: number): Value {
  const space = text.indexOf(' ', start);
  const end = space < 0 ? text.length : space;
  return { value: text.slice(start, end), end };
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > LONGEST_EXCERPT ? `${text.slice(0, LONGEST_EXCERPT)}…` : text);
}
