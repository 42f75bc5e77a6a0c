/** Frames as a peer may send them, well formed or not, for tests and fuzzing. */
import type { Fields } from '../contract.ts';
import { Flag, FRAME_HEADER_BYTES, FrameType, writeFrameHeader } from '../frame.ts';
import { HpackEncoder } from '../hpack/encoder.ts';

export const CONNECT: Fields = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.1:80'],
];
export const OK: Fields = [[':status', '200']];
export const GET = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
] as const satisfies Fields;

export function frame(type: number, flags: number, id: number, payload: Uint8Array | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'hex') : payload;
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + body.length);
  writeFrameHeader(bytes, 0, { length: body.length, type, flags, id });
  bytes.set(body, FRAME_HEADER_BYTES);
  return bytes;
}

/** A block that uses no table, so that blocks may be left out. */
export function block(fields: Fields): Buffer {
  const encoder = new HpackEncoder(false);
  encoder.limitTable(0);
  return Buffer.from(encoder.encode(fields));
}

export const settings = (payload = '') => frame(FrameType.SETTINGS, 0, 0, payload);
export const settingsAck = () => frame(FrameType.SETTINGS, Flag.ACK, 0);
export const headers = (id: number, fields: Fields, flags = 0) =>
  frame(FrameType.HEADERS, Flag.END_HEADERS | flags, id, block(fields));
export const data = (id: number, payload: Uint8Array | string, flags = 0) => frame(FrameType.DATA, flags, id, payload);
export const uint32 = (value: number) => value.toString(16).padStart(8, '0');
export const reset = (id: number, code: number) => frame(FrameType.RST_STREAM, 0, id, uint32(code));
export const windowUpdate = (id: number, increment: number) => frame(FrameType.WINDOW_UPDATE, 0, id, uint32(increment));
export const goaway = (last: number, code: number) => frame(FrameType.GOAWAY, 0, 0, uint32(last) + uint32(code));
export const octets = (length: number) => new Uint8Array(length);
