/** Frame layout of RFC 9113 4.1 and 6: constants and the nine octets before every payload. */

export const FRAME_HEADER_BYTES = 9;

/** Every frame size limit lies between these. RFC 9113 6.5.2 */
export const MIN_MAX_FRAME_BYTES = 16_384;
export const MAX_MAX_FRAME_BYTES = 16_777_215;

export const MAX_STREAM_ID = 0x7fff_ffff;

export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

/** The name of a frame type, for messages. */
export function frameName(type: number): string {
  for (const [name, value] of Object.entries(FrameType)) if (value === type) return name;
  return `frame of type ${type}`;
}

export const Flag = {
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Payload sizes that the RFC fixes, in octets. */
export const PAYLOAD_BYTES = {
  PRIORITY: 5,
  RST_STREAM: 4,
  SETTING: 6,
  PING: 8,
  /** Without debug data. */
  GOAWAY: 8,
  WINDOW_UPDATE: 4,
} as const;

/** What a client sends before its first frame. RFC 9113 3.4 */
export const CLIENT_PREFACE: Uint8Array = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export interface FrameHeader {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly id: number;
}

/** Writes the header at `memory[at]`. */
export function writeFrameHeader(memory: Uint8Array, at: number, header: FrameHeader): void {
  memory[at] = header.length >>> 16;
  memory[at + 1] = header.length >>> 8;
  memory[at + 2] = header.length;
  memory[at + 3] = header.type;
  memory[at + 4] = header.flags;
  writeUint32(memory, at + 5, header.id);
}

export function writeUint32(memory: Uint8Array, at: number, value: number): void {
  memory[at] = value >>> 24;
  memory[at + 1] = value >>> 16;
  memory[at + 2] = value >>> 8;
  memory[at + 3] = value;
}

export function readUint16(memory: Uint8Array, at: number): number {
  return (memory[at]! << 8) | memory[at + 1]!;
}

export function readUint24(memory: Uint8Array, at: number): number {
  return (memory[at]! << 16) | (memory[at + 1]! << 8) | memory[at + 2]!;
}

export function readUint32(memory: Uint8Array, at: number): number {
  return ((memory[at]! << 24) | (memory[at + 1]! << 16) | (memory[at + 2]! << 8) | memory[at + 3]!) >>> 0;
}

/** Stream ids and window increments: the reserved bit is ignored. */
export function readUint31(memory: Uint8Array, at: number): number {
  return readUint32(memory, at) & MAX_STREAM_ID;
}
