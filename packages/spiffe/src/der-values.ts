import { type DerElement, decodeDerElements } from './der-elements.ts';
import { DerTag } from './der-tags.ts';
import { SpiffeError } from './errors.ts';

/** RFC 5280 4.1.2.2 allows 20; one more for the sign of those that count without it. */
export const MAX_SERIAL_BYTES = 21;
const TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
/** RFC 5280 4.1.2.5.1: a year of two digits from 50 on is of the last century. */
const CENTURY_TURN = 50;
/** RFC 5280 limits nothing here; real names have at most a dozen parts. */
const MAX_NAME_PARTS = 64;

/** Thrown by everything in this file, and caught where a whole certificate or list is read. */
export function malformed(what: string): SpiffeError {
  return new SpiffeError('SPIFFE_CERTIFICATE_INVALID', `malformed certificate: ${what}`);
}

/** The elements of `element`, which must be there and have the tag. Throws SPIFFE_CERTIFICATE_INVALID. */
export function childrenOf(element: DerElement | undefined, tag: number, what: string): DerElement[] {
  const children = element?.tag === tag ? decodeDerElements(element.content) : undefined;
  if (children === undefined) throw malformed(what);
  return children;
}

/** Bytes as text with one character a byte: cheap to compare and to look up. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** A number's bytes, one character each, in the one form that numbers are compared in: writers differ in leading zeros. */
export function withoutLeadingZeros(bytes: string): string {
  let start = 0;
  while (start < bytes.length - 1 && bytes.charCodeAt(start) === 0) start++;
  return start === 0 ? bytes : bytes.slice(start);
}

/** Bytes as lower-case hexadecimal text. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** A boolean; an explicit FALSE where it is the default is let pass, as many issuers write it. Throws. */
export function decodeBoolean(element: DerElement, what: string): boolean {
  const [value] = element.content;
  if (element.tag !== DerTag.boolean || element.content.length !== 1 || (value !== 0 && value !== 255))
    throw malformed(what);
  return value === 255;
}

/** The content of an integer that is minimal and not negative. Throws. */
export function decodeUnsigned(element: DerElement | undefined, what: string): Uint8Array {
  const content = element?.tag === DerTag.integer ? element.content : undefined;
  const [first = 0x80, second = 0x80] = content ?? [];
  if (content === undefined || first >= 0x80 || (first === 0 && content.length > 1 && second < 0x80))
    throw malformed(what);
  return content;
}

/** A number small enough for three bytes. Throws. */
export function decodeSmallNumber(element: DerElement | undefined, what: string): number {
  const content = decodeUnsigned(element, what);
  if (content.length > 3) throw malformed(what);
  return content.reduce((value, byte) => value * 256 + byte, 0);
}

/** A serial number's content as it is, one character a byte. Throws. */
export function decodeSerial(element: DerElement | undefined): string {
  const content = decodeUnsigned(element, 'serial number');
  if (content.length > MAX_SERIAL_BYTES) throw malformed('serial number');
  return latin1(content);
}

/** The content of a bit string of whole bytes, such as a key or a signature. Throws. */
export function decodeWholeBits(element: DerElement | undefined, what: string): Uint8Array {
  if (element?.tag !== DerTag.bitString || element.content[0] !== 0) throw malformed(what);
  return element.content.subarray(1);
}

/** Epoch milliseconds of a UTCTime or GeneralizedTime in the one form of RFC 5280 4.1.2.5. Throws. */
export function decodeTime(element: DerElement | undefined): number {
  const text = element === undefined ? '' : latin1(element.content);
  const utc = element?.tag === DerTag.utcTime;
  if (!utc && element?.tag !== DerTag.generalizedTime) throw malformed('time');
  const century = Number(text.slice(0, 2)) < CENTURY_TURN ? '20' : '19';
  const fields = TIME.exec(utc ? century + text : text);
  const [year, month, day, hours, minutes, seconds] = fields?.slice(1) ?? [];
  const iso = `${year}-${month}-${day}T${hours}:${minutes}:${seconds}.000Z`;
  const epochMs = Date.parse(iso);
  // A 31st of February would pass for a 3rd of March.
  if (Number.isNaN(epochMs) || new Date(epochMs).toISOString() !== iso) throw malformed('time');
  return epochMs;
}

/** Checks a Name's structure and gives its bytes as text; names are equal if these are. Throws. @see RFC 5280 4.1.2.4 */
export function decodeName(element: DerElement | undefined): string {
  const parts = childrenOf(element, DerTag.sequence, 'name');
  if (parts.length > MAX_NAME_PARTS) throw malformed('name');
  for (const part of parts) {
    const attributes = childrenOf(part, DerTag.set, 'name');
    if (attributes.length === 0) throw malformed('name');
    for (const attribute of attributes) {
      const [type, value, ...more] = childrenOf(attribute, DerTag.sequence, 'name');
      if (type?.tag !== DerTag.objectIdentifier || value === undefined || more.length > 0) throw malformed('name');
    }
  }
  return element === undefined ? '' : latin1(element.raw);
}

/** The values of a name that {@link decodeName} gave, for a person to recognize it: `Istio, Root CA`. */
export function nameText(name: string): string {
  const values = (decodeDerElements(Buffer.from(name, 'latin1')) ?? []).flatMap(inside).flatMap(inside).flatMap(inside);
  const texts = values.filter(({ tag }) => tag !== DerTag.objectIdentifier).map(({ content }) => latin1(content));
  return texts.join(', ').replaceAll(/[^ -~]/g, '?');
}

function inside({ content }: DerElement): DerElement[] {
  return decodeDerElements(content) ?? [];
}
