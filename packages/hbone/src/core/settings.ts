import { ErrorCode } from './error-code.ts';
import { MAX_MAX_FRAME_BYTES, MIN_MAX_FRAME_BYTES, PAYLOAD_BYTES, readUint16, readUint32 } from './frame.ts';
import { DEFAULT_HEADER_TABLE_BYTES } from './hpack/dynamic-table.ts';
import {
  ASSUMED_MAX_CONCURRENT_STREAMS,
  type CodecOptions,
  DEFAULT_WINDOW_BYTES,
  MAX_WINDOW_BYTES,
  type Role,
} from './limits.ts';

/** One entry of a SETTINGS frame. */
export interface Setting {
  readonly id: number;
  readonly value: number;
}

/** RFC 9113 6.5.2 and RFC 8441 3 */
const SettingId = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  ENABLE_CONNECT_PROTOCOL: 0x8,
} as const;

/** What a role announces, in the order of hbone.md §2. */
export function buildSettings(role: Role, options: CodecOptions): readonly Setting[] {
  return [
    role === 'client'
      ? { id: SettingId.ENABLE_PUSH, value: 0 }
      : { id: SettingId.MAX_CONCURRENT_STREAMS, value: options.maxConcurrentStreams },
    { id: SettingId.INITIAL_WINDOW_SIZE, value: options.streamWindowBytes },
    { id: SettingId.MAX_FRAME_SIZE, value: options.maxFrameBytes },
    { id: SettingId.MAX_HEADER_LIST_SIZE, value: options.maxHeaderListBytes },
  ];
}

/** Why a SETTINGS frame ends the connection. */
export interface SettingsError {
  readonly code: number;
  readonly message: string;
}

/** What the peer allows us, as far as it has said so. */
export class PeerSettings {
  readonly #role: Role;
  headerTableBytes = DEFAULT_HEADER_TABLE_BYTES;
  /** Least of the last frame, which the encoder must signal. RFC 7541 4.2 */
  leastHeaderTableBytes = DEFAULT_HEADER_TABLE_BYTES;
  maxConcurrentStreams = ASSUMED_MAX_CONCURRENT_STREAMS;
  streamWindowBytes = DEFAULT_WINDOW_BYTES;
  maxFrameBytes = MIN_MAX_FRAME_BYTES;
  #received = false;
  #connectProtocol = 0;

  /** `role`: ours. */
  constructor(role: Role) {
    this.#role = role;
  }

  /** A first SETTINGS frame came. */
  get received(): boolean {
    return this.#received;
  }

  /** Takes over a payload whose length is a multiple of 6; answers the error that ends the connection. */
  apply(payload: Uint8Array, start: number, end: number): SettingsError | undefined {
    // RFC 9113 6.5.2: without the setting there is no limit
    if (!this.#received) this.maxConcurrentStreams = Number.POSITIVE_INFINITY;
    this.#received = true;
    this.leastHeaderTableBytes = this.headerTableBytes;
    for (let at = start; at < end; at += PAYLOAD_BYTES.SETTING) {
      const error = this.#applyOne(readUint16(payload, at), readUint32(payload, at + 2));
      if (error !== undefined) return error;
    }
    return undefined;
  }

  #applyOne(id: number, value: number): SettingsError | undefined {
    switch (id) {
      case SettingId.HEADER_TABLE_SIZE:
        this.headerTableBytes = value;
        this.leastHeaderTableBytes = Math.min(this.leastHeaderTableBytes, value);
        return undefined;
      case SettingId.ENABLE_PUSH:
        // RFC 9113 6.5.2: a server must not set it to 1
        return value > (this.#role === 'client' ? 0 : 1) ? refuse('ENABLE_PUSH') : undefined;
      case SettingId.MAX_CONCURRENT_STREAMS:
        this.maxConcurrentStreams = value;
        return undefined;
      case SettingId.INITIAL_WINDOW_SIZE:
        this.streamWindowBytes = value;
        return value > MAX_WINDOW_BYTES ? refuse('INITIAL_WINDOW_SIZE', ErrorCode.FLOW_CONTROL_ERROR) : undefined;
      case SettingId.MAX_FRAME_SIZE:
        this.maxFrameBytes = value;
        return value < MIN_MAX_FRAME_BYTES || value > MAX_MAX_FRAME_BYTES ? refuse('MAX_FRAME_SIZE') : undefined;
      case SettingId.ENABLE_CONNECT_PROTOCOL:
        return this.#enableConnectProtocol(value);
      default:
        // MAX_HEADER_LIST_SIZE is advice; unknown settings must be ignored
        return undefined;
    }
  }

  #enableConnectProtocol(value: number): SettingsError | undefined {
    // RFC 8441 3: 0 or 1, and a server never takes it back; from a client it means nothing
    if (value > 1 || (this.#role === 'client' && value < this.#connectProtocol))
      return refuse('ENABLE_CONNECT_PROTOCOL');
    this.#connectProtocol = value;
    return undefined;
  }
}

function refuse(name: string, code: number = ErrorCode.PROTOCOL_ERROR): SettingsError {
  return { code, message: `SETTINGS_${name} with a value that is not allowed` };
}
