/**
 * A frame writer that shares nothing with the codec: tests that use both find what the codec gets wrong on both ends, and
 * it writes what the codec never would. RFC 9113 4.1, 6; RFC 7541 5, 6
 */

/** Frame types. RFC 9113 6 */
export const Type = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
  /** RFC 7838 4 */
  ALTSVC: 10,
  /** Nobody's. */
  UNKNOWN: 0xfa,
} as const;

/** Flags of frames; ACK of SETTINGS and PING. */
export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 } as const;

/** Identifiers of settings. RFC 9113 6.5.2 */
export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
} as const;

/** What a client says first. RFC 9113 3.4 */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

const HEADER_BYTES = 9;
const NOTHING = Buffer.alloc(0);

/** Any frame; the length is the payload's. */
export function frame(type: number, flags: number, id: number, payload: Uint8Array = NOTHING): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** SETTINGS with the entries as `[id, value]`. */
export function settings(...entries: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * entries.length);
  for (const [index, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(id, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  }
  return frame(Type.SETTINGS, 0, 0, payload);
}

export function settingsAck(): Buffer {
  return frame(Type.SETTINGS, FLAG.ACK, 0);
}

/** `number` in the last octet of the payload. */
export function ping(number = 0, ack = false): Buffer {
  return frame(Type.PING, ack ? FLAG.ACK : 0, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, number]));
}

/** A payload of four octets. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function windowUpdate(id: number, increment: number): Buffer {
  return frame(Type.WINDOW_UPDATE, 0, id, uint32(increment));
}

export function rstStream(id: number, code: number): Buffer {
  return frame(Type.RST_STREAM, 0, id, uint32(code));
}

export function goaway(last: number, code: number): Buffer {
  return frame(Type.GOAWAY, 0, 0, Buffer.concat([uint32(last), uint32(code)]));
}

export function data(id: number, payload: Uint8Array, flags = 0): Buffer {
  return frame(Type.DATA, flags, id, payload);
}

/** DATA that is nothing but its pad length and `padding` octets. */
export function paddedData(id: number, padding: number): Buffer {
  const payload = Buffer.alloc(padding + 1);
  payload[0] = padding;
  return frame(Type.DATA, FLAG.PADDED, id, payload);
}

export function priority(id: number): Buffer {
  return frame(Type.PRIORITY, 0, id, Buffer.from([0, 0, 0, 0, 15]));
}

/** HEADERS that end their block. */
export function headers(id: number, fields: Uint8Array, flags = 0): Buffer {
  return frame(Type.HEADERS, FLAG.END_HEADERS | flags, id, fields);
}

/** A literal field without indexing, as it is. RFC 7541 6.2.2 */
export function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

/** A literal field with incremental indexing. RFC 7541 6.2.1 */
export function indexedLiteral(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0x40), text(name), text(value)]);
}

/** A block of literals. */
export function block(...fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => literal(name, value)));
}

/** The block of a CONNECT to `authority`. */
export function connectBlock(authority: string): Buffer {
  return block([':method', 'CONNECT'], [':authority', authority]);
}

/** The block of a response: an indexed field for 200, else a literal. */
export function statusBlock(status: number): Buffer {
  return status === 200 ? Buffer.of(0x88) : literal(':status', String(status));
}

/** An integer with its prefix. RFC 7541 5.1 */
export function integer(value: number, prefixBits: number, first = 0): Buffer {
  const mask = 2 ** prefixBits - 1;
  if (value < mask) return Buffer.of(first | value);
  const octets = [first | mask];
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 0x80);
  octets.push(rest);
  return Buffer.from(octets);
}

/** A string without Huffman code. RFC 7541 5.2 */
export function text(value: string): Buffer {
  return Buffer.concat([integer(value.length, 7), Buffer.from(value, 'latin1')]);
}

/** `bytes` as often as asked, in one piece. */
export function repeat(bytes: Uint8Array, times: number): Buffer {
  return times === 0 ? Buffer.alloc(0) : Buffer.alloc(bytes.length * times, bytes);
}
