import { type Mark, renderMark, renderMarkMatch } from '../mark.ts';
import { HIGHEST_PORT } from '../ports.ts';
import type { Refusal } from './option-spelling.ts';

const HIGHEST_WORD = 0xffff_ffff;
const OCTAL = 8;

/** A number as C reads it: decimal, `0x` hexadecimal, or octal with a leading zero. At most `highest`, or undefined. */
export function parseNumber(text: string, highest = HIGHEST_WORD): number | undefined {
  if (!/^(?:0x[0-9a-f]{1,8}|0[0-7]{0,11}|[1-9]\d{0,9})$/i.test(text)) return undefined;
  const value = /^0[0-7]/.test(text) ? Number.parseInt(text, OCTAL) : Number(text);
  return value <= highest ? value : undefined;
}

/** A number in decimal. */
export function respellNumber(text: string, highest?: number): string | undefined {
  return parseNumber(text, highest)?.toString();
}

/** A mark with an optional mask; all bits where there is none. */
export function parseAnyMark(text: string): Mark | undefined {
  const [first = '', second, more] = text.split('/');
  const value = parseNumber(first);
  const mask = second === undefined ? HIGHEST_WORD : parseNumber(second);
  return value === undefined || mask === undefined || more !== undefined ? undefined : { value, mask };
}

/** A mark of a match: without a mask of all bits. */
export function respellMark(text: string): string | undefined {
  const mark = parseAnyMark(text);
  return mark && renderMarkMatch(mark);
}

/** A mark of a target: with its mask. */
export function respellFullMark(text: string): string | undefined {
  const mark = parseAnyMark(text);
  return mark && renderMark(mark);
}

/** One port, or a range whose ends may be left out where `open`. Names depend on the machine, so they are refused. */
export function respellPorts(text: string, separator: ':' | '-', open: boolean): string | Refusal | undefined {
  // A name of a service may have dashes.
  const parts = text.split(separator);
  if (parts.some((part) => isName(part))) return { refused: `${JSON.stringify(text)}: want the port as a number` };
  if (parts.length > 2) return undefined;
  const [first, last] = parts.map((part, at) => {
    if (part !== '') return parseNumber(part, HIGHEST_PORT);
    return open && parts.length === 2 ? at * HIGHEST_PORT : undefined;
  });
  if (first === undefined || (parts.length === 2 && last === undefined)) return undefined;
  if (last === undefined || last === first) return `${first}`;
  return last < first ? undefined : `${first}${separator}${last}`;
}

/** A list of ports and ranges. */
export function respellPortList(text: string): string | Refusal | undefined {
  const listed: string[] = [];
  for (const part of text.split(',')) {
    const ports = respellPorts(part, ':', false);
    if (typeof ports !== 'string') return ports;
    listed.push(ports);
  }
  return listed.join(',');
}

/** An id or a range of them. Names depend on the machine, so they are refused. */
export function respellIds(text: string, who: string): string | Refusal | undefined {
  if (isName(text)) return { refused: `${JSON.stringify(text)}: want the ${who} as a number` };
  const ids = text.split('-').map((part) => parseNumber(part));
  if (ids.length > 2 || !ids.every((id) => id !== undefined)) return undefined;
  return ids.join('-');
}

/** Words in capitals; each may be cut off where it stays the only one that begins so. */
export function respellWords(text: string, known: readonly string[]): string | undefined {
  const found: string[] = [];
  for (const word of text.toUpperCase().split(',')) {
    const meant = known.filter((name) => name.startsWith(word));
    const name = known.includes(word) ? word : meant[0];
    if (word === '' || name === undefined || (name !== word && meant.length > 1)) return undefined;
    found.push(name);
  }
  return found.join(',');
}

/** Something that is looked up in a file or by DNS when the rule is loaded. */
function isName(text: string): boolean {
  return /^[a-z][\w.-]*$/i.test(text) && !/^0x/i.test(text);
}
