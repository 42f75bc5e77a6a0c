import { type IpWords, parseIpAddress } from '../matching/ip-address.ts';
import { renderIpAddress } from '../matching/render-ip-address.ts';

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;

/** An address of 4 or 16 bytes in network order, as text; undefined for any other number of bytes. */
export function renderAddressBytes(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length === IPV4_BYTES) return renderIpAddress({ family: 4, words: [0, 0, 0, view.getInt32(0)] });
  if (bytes.length !== IPV6_BYTES) return undefined;
  const words: IpWords = [view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12)];
  return renderIpAddress({ family: 6, words });
}

/** The 4 or 16 bytes of an address; undefined if it is none. */
export function parseAddressBytes(text: string): Uint8Array | undefined {
  const ip = parseIpAddress(text);
  if (ip === undefined) return undefined;
  const words = ip.family === 4 ? ip.words.slice(-1) : ip.words;
  const bytes = new Uint8Array(words.length * IPV4_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) view.setInt32(index * IPV4_BYTES, word);
  return bytes;
}

/** Bytes in base64, standard or for URLs, padded or not, as JSON of protocol buffers has them; undefined if it is none. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const [, digits = '', padding = ''] = /^([\w+/-]*)(={0,2})$/.exec(text) ?? [undefined, '='];
  if (digits.length % 4 === 1 || (padding !== '' && (digits.length + padding.length) % 4 !== 0)) return undefined;
  const standard = digits.replaceAll('-', '+').replaceAll('_', '/');
  return digits.includes('=') ? undefined : Uint8Array.from(atob(standard), (character) => character.charCodeAt(0));
}

/** Bytes in standard base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
