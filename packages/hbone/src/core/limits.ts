import { FRAME_HEADER_BYTES, MAX_MAX_FRAME_BYTES, MIN_MAX_FRAME_BYTES } from './frame.ts';

/** Which end of the connection a codec is: clients open streams. */
export type Role = 'client' | 'server';

/** No window may grow beyond this. RFC 9113 6.9.1 */
export const MAX_WINDOW_BYTES = 0x7fff_ffff;
/** Windows of a connection and its streams until something else is said. RFC 9113 6.9.2 */
export const DEFAULT_WINDOW_BYTES = 65_535;

/** hbone.md §2 */
const STREAM_WINDOW_BYTES = 4_194_304;
/** hbone.md §2; larger than a stream's, or a slow stream starves the others. */
const CONNECTION_WINDOW_BYTES = 16_777_216;
/** hbone.md §2 */
const MAX_FRAME_BYTES = 1_048_576;
/** hbone.md §2 */
const MAX_HEADER_LIST_BYTES = { client: 16_384, server: 65_536 } as const;
/** hbone.md §2; only a server announces it. */
const MAX_CONCURRENT_STREAMS = 200;
/** What a client assumes until the server's SETTINGS are there. RFC 9113 6.5.2 recommends no smaller limit. */
export const ASSUMED_MAX_CONCURRENT_STREAMS = 100;

/** Compressed octets of a block, as a multiple of the list limit: within it the block is decoded and only refused. */
const HEADER_BLOCK_FACTOR = 2;
/** The largest allowed block needs 8 at the least frame size; more is a flood. */
const MAX_CONTINUATIONS = 16;
/** The RFC and its extensions know about ten settings; repeating them is allowed, senselessly. */
const MAX_SETTINGS_ENTRIES = 64;
/** Answers waiting for a peer that does not read: about 20,000 PINGs or WINDOW_UPDATEs. */
const MAX_CONTROL_BYTES = 262_144;
/** Frames in a row that carry nothing (empty DATA, PRIORITY, unknown types); real peers send a few between useful ones. */
const MAX_USELESS_FRAMES = 1000;
/** Streams we reset whose late frames are still dropped silently; five times what may be open at once. */
const MAX_RECENT_RESETS = 1000;
/** Our own header blocks: always a single HEADERS frame that any peer takes. */
export const MAX_SENT_BLOCK_BYTES = MIN_MAX_FRAME_BYTES;
/** Room with which `Sender.control` always moves at least one frame, however large. */
export const MIN_CONTROL_ROOM_BYTES = FRAME_HEADER_BYTES + MAX_SENT_BLOCK_BYTES;

/**
 * Counts the streams that the peer reset or made us reset; the owner decides how many a time are too many and so keeps
 * clocks out of the codec.
 */
export interface ResetBudget {
  /** Takes one; false when none is left: the connection ends with ENHANCE_YOUR_CALM. */
  take(): boolean;
}

/** Limits of one connection. Every one has a default, the constant of the same name in this module. */
export interface CodecOptions {
  /** SETTINGS_INITIAL_WINDOW_SIZE: octets a stream may have on the way and unread. */
  readonly streamWindowBytes: number;
  /** Octets all streams together may have on the way and unread; at least 65,535. */
  readonly connectionWindowBytes: number;
  /** SETTINGS_MAX_FRAME_SIZE: 16,384 to 16,777,215. */
  readonly maxFrameBytes: number;
  /** SETTINGS_MAX_HEADER_LIST_SIZE. Larger: a server answers 431, a client resets the stream. */
  readonly maxHeaderListBytes: number;
  /** Octets of a header block with its CONTINUATIONs; more ends the connection. */
  readonly maxHeaderBlockBytes: number;
  /** CONTINUATION frames of a header block. */
  readonly maxContinuations: number;
  /** Server: SETTINGS_MAX_CONCURRENT_STREAMS; more are refused. */
  readonly maxConcurrentStreams: number;
  readonly maxSettingsEntries: number;
  /** Octets of control frames that wait for `control`. */
  readonly maxControlBytes: number;
  readonly maxUselessFrames: number;
  readonly maxRecentResets: number;
  /** Whether our header blocks are Huffman coded. Default false: it costs both ends time. */
  readonly huffman: boolean;
  /** Default: unlimited. */
  readonly resets: ResetBudget;
}

const UNLIMITED: ResetBudget = { take: () => true };

/** Fills in the defaults of the role. Throws RangeError for windows and sizes the RFC does not allow. */
export function resolveCodecOptions(role: Role, given: Partial<CodecOptions>): CodecOptions {
  const maxHeaderListBytes = given.maxHeaderListBytes ?? MAX_HEADER_LIST_BYTES[role];
  const options: CodecOptions = {
    streamWindowBytes: STREAM_WINDOW_BYTES,
    connectionWindowBytes: CONNECTION_WINDOW_BYTES,
    maxFrameBytes: MAX_FRAME_BYTES,
    maxHeaderListBytes,
    maxHeaderBlockBytes: HEADER_BLOCK_FACTOR * maxHeaderListBytes,
    maxContinuations: MAX_CONTINUATIONS,
    maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
    maxSettingsEntries: MAX_SETTINGS_ENTRIES,
    maxControlBytes: MAX_CONTROL_BYTES,
    maxUselessFrames: MAX_USELESS_FRAMES,
    maxRecentResets: MAX_RECENT_RESETS,
    huffman: false,
    resets: UNLIMITED,
    ...given,
  };
  requireRange('streamWindowBytes', options.streamWindowBytes, 1, MAX_WINDOW_BYTES);
  requireRange('connectionWindowBytes', options.connectionWindowBytes, DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES);
  requireRange('maxFrameBytes', options.maxFrameBytes, MIN_MAX_FRAME_BYTES, MAX_MAX_FRAME_BYTES);
  return options;
}

function requireRange(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name}: ${value} is not a whole number from ${least} to ${most}`);
}
