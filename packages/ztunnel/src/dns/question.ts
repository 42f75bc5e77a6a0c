import { CLASS_IN, HEADER_BYTES, QUESTION_TAIL_BYTES } from './message-format.ts';

/** RFC 1035 §2.3.4 */
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;

/** One question. */
export interface Question {
  /** Its wire form as the client wrote it. */
  readonly bytes: Buffer;
  /** Lower case, without the last dot; empty for the root. What is no printable ASCII, and dots, are `\DDD`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

/** The question behind a message's header; undefined if there is no whole one. */
export function readQuestion(bytes: Buffer): Question | undefined {
  const end = nameEnd(bytes, HEADER_BYTES);
  if (end === undefined || end + QUESTION_TAIL_BYTES > bytes.length) return undefined;
  const labels: string[] = [];
  for (let at = HEADER_BYTES; bytes[at] !== 0; at += 1 + (bytes[at] ?? 0))
    labels.push(renderLabel(bytes.subarray(at + 1, at + 1 + (bytes[at] ?? 0))));
  return {
    // A copy: it may be waited for longer than the received bytes should be kept.
    bytes: Buffer.from(bytes.subarray(HEADER_BYTES, end + QUESTION_TAIL_BYTES)),
    name: labels.join('.'),
    type: bytes.readUInt16BE(end),
    class: bytes.readUInt16BE(end + 2),
  };
}

/** The question for addresses of `hostname`; undefined if that is no domain name. */
export function buildQuestion(hostname: string, type: number): Question | undefined {
  const labels = hostname.replace(/\.$/, '').split('.');
  const parts: Buffer[] = [];
  for (const label of labels) {
    const bytes = Buffer.from(label);
    if (bytes.length === 0 || bytes.length > MAX_LABEL_BYTES) return undefined;
    parts.push(Buffer.of(bytes.length), bytes);
  }
  const message = Buffer.concat([Buffer.alloc(HEADER_BYTES), ...parts, Buffer.of(0, 0, type, 0, CLASS_IN)]);
  return readQuestion(message);
}

/** The question's identity without regard to case, for example as the key of a cache. */
export function questionKey(question: Question): string {
  return lowerCase(question.bytes).toString('latin1');
}

/** A copy of a question's wire form with its name in lower case. The bytes that are lengths, at most 63, are no letters. */
export function lowerCase(question: Buffer): Buffer {
  const lower = Buffer.from(question);
  const end = lower.length - QUESTION_TAIL_BYTES;
  for (let at = 0; at < end; at++) {
    const byte = lower[at] ?? 0;
    if (byte >= 0x41 && byte <= 0x5a) lower[at] = byte + 0x20;
  }
  return lower;
}

/** Where the uncompressed name at `start` ends; undefined if there is none. */
export function nameEnd(bytes: Buffer, start: number): number | undefined {
  for (let at = start; at < bytes.length && at < start + MAX_NAME_BYTES; ) {
    const length = bytes[at] ?? 0;
    if (length === 0) return at + 1;
    // Also refuses pointers: there is no earlier name that a question could point at.
    if (length > MAX_LABEL_BYTES) return undefined;
    at += 1 + length;
  }
  return undefined;
}

function renderLabel(label: Buffer): string {
  let text = '';
  for (const byte of label) {
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c;
    text += isPlain ? String.fromCharCode(byte).toLowerCase() : `\\${String(byte).padStart(3, '0')}`;
  }
  return text;
}
