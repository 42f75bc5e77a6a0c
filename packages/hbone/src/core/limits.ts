import { FRAME_HEADER_BYTES, MAX_MAX_FRAME_BYTES, MIN_MAX_FRAME_BYTES } from './frame.ts';
import { NEVER_INDEXED_NAMES } from './hpack/encoder.ts';
import type { Rate } from './rate-limit.ts';

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
/**
 * What the largest allowed block needs at the least frame size: 128 KiB (a server's, above) in frames of 16 KiB. The usual
 * cap of 16 KB would contradict the list of 64 KB that we announce (hbone.md §2).
 */
const MAX_CONTINUATIONS = 8;
/** The RFC and its extensions know about ten settings; repeating them is allowed, senselessly. */
const MAX_SETTINGS_ENTRIES = 64;
/** Answers waiting for a peer that does not read: about 15,000 PINGs or 20,000 WINDOW_UPDATEs. */
const MAX_CONTROL_BYTES = 262_144;
/** Streams we reset whose late frames are still dropped silently; five times what may be open at once. */
const MAX_RECENT_RESETS = 1000;
/**
 * Five times the streams that may be open, then two hundred a second: a peer whose clients all give up at once stays
 * below, rapid reset (CVE-2023-44487) and MadeYouReset (CVE-2025-8671) do not.
 */
const RESETS: Rate = { burst: 1000, perSecond: 200 };
/**
 * Twice what a reference peer can ask for in a second, and so many at once. Each costs some microseconds; a flood brings a
 * hundred thousand a second.
 */
const DENIALS: Rate = { burst: 10_000, perSecond: 10_000 };
/** A peer that measures its round trip on every read sends some hundred PINGs a second; a flood is a hundred thousand. */
const ANSWERS: Rate = { burst: 10_000, perSecond: 1000 };
/** Real peers send a few on every connection. CVE-2019-9518, CVE-2019-9513 */
const USELESS_FRAMES: Rate = { burst: 1000, perSecond: 100 };
/** Beyond those that our own DATA earned: greetings and windows that the peer makes larger by hand. */
const WINDOW_UPDATES: Rate = { burst: 1000, perSecond: 100 };
/** WINDOW_UPDATEs that a DATA frame we send earns, as in Envoy's limit: a peer may give back every octet of a small one. */
export const UPDATES_A_FRAME = 10;
/** But no more for each octet in it, which cannot be given back to its stream and the connection in more pieces. */
export const UPDATES_AN_OCTET = 2;
/** Octets of DATA we send that earn one more: a peer may give back in small pieces what came in a large frame. */
export const BYTES_AN_UPDATE = 1024;
/** WINDOW_UPDATEs that a stream earns when it is opened: for its own window, and its share of the connection's. */
export const UPDATES_A_STREAM = 2;
/** No more are saved up: what a window of 16 MiB earns in frames of 1 KiB. */
export const MAX_SAVED_UPDATES = 200_000;
/**
 * Frames that a stream earns for when it is closed: what the peer sends before it hears of the end (an answer, a
 * WINDOW_UPDATE, a RST_STREAM, and one more) is not its fault.
 */
export const LATE_FRAMES_A_STREAM = 4;
/** No more of these are saved up: as many streams as may be open, several times over. */
export const MAX_SAVED_LATE_FRAMES = 10_000;
/** Our own header blocks: always a single HEADERS frame that any peer takes. */
export const MAX_SENT_BLOCK_BYTES = MIN_MAX_FRAME_BYTES;
/** Room with which `Sender.control` always moves at least one frame, however large. */
export const MIN_CONTROL_ROOM_BYTES = FRAME_HEADER_BYTES + MAX_SENT_BLOCK_BYTES;

/** Values of settings have 32 bits. RFC 9113 6.5.1 */
const MAX_SETTING = 0xffff_ffff;
/** What a client says first takes 76 octets. */
const MIN_MAX_CONTROL_BYTES = 100;
/** Least and largest value of each option that is a whole number; infinite is no limit. */
const RANGES = [
  ['streamWindowBytes', 1, MAX_WINDOW_BYTES],
  ['connectionWindowBytes', DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES],
  ['maxLentBytes', 0, MAX_WINDOW_BYTES],
  ['maxFrameBytes', MIN_MAX_FRAME_BYTES, MAX_MAX_FRAME_BYTES],
  ['maxHeaderListBytes', 1, MAX_SETTING],
  ['maxHeaderBlockBytes', 1, Number.POSITIVE_INFINITY],
  ['maxContinuations', 0, Number.POSITIVE_INFINITY],
  ['maxConcurrentStreams', 0, MAX_SETTING],
  ['maxSettingsEntries', 1, Number.POSITIVE_INFINITY],
  ['maxControlBytes', MIN_MAX_CONTROL_BYTES, Number.POSITIVE_INFINITY],
  ['maxRecentResets', 0, MAX_SETTING],
] as const;
const RATES = ['resets', 'denials', 'answers', 'uselessFrames', 'windowUpdates'] as const;

/** Limits of one connection. Every one has a default, the constant of the same name in this module. */
export interface CodecOptions {
  /** SETTINGS_INITIAL_WINDOW_SIZE: octets a stream may have on the way and unread. */
  readonly streamWindowBytes: number;
  /** Octets all streams together may have on the way and unread; at least 65,535. */
  readonly connectionWindowBytes: number;
  /**
   * Octets of the connection's window that are given back before their streams' users took them, once those hold more
   * than half of it: so that streams whose readers stall do not stop the others. Together with the window this is what a
   * connection may hold unread. Default: as much as `connectionWindowBytes`; 0: never.
   */
  readonly maxLentBytes: number;
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
  /** Settings in one SETTINGS frame. */
  readonly maxSettingsEntries: number;
  /** Octets of control frames that wait for `control`. */
  readonly maxControlBytes: number;
  /** Streams we reset of which we know so, to drop what crosses with the reset; older ones are like any closed stream. */
  readonly maxRecentResets: number;
  /** Whether our header blocks are Huffman coded. Default false: it costs both ends time. */
  readonly huffman: boolean;
  /**
   * Lower-case names of our fields whose values no compression table may hold, here or on the way (RFC 7541 7.1.3).
   * Default: `authorization`, `proxy-authorization`, `cookie`.
   */
  readonly neverIndexed: ReadonlySet<string>;
  /**
   * Streams that were work for nothing: a server counts RST_STREAM for a stream that it has not answered yet, and streams
   * that it refuses (REFUSED_STREAM); both ends count what the peer did to make the codec reset a stream.
   */
  readonly resets: Rate;
  /** Server: requests that were answered by END_STREAM at once, as a denied one is. */
  readonly denials: Rate;
  /**
   * PING and SETTINGS of the peer, each of which has to be answered. SETTINGS that change INITIAL_WINDOW_SIZE count once
   * more for every stream.
   */
  readonly answers: Rate;
  /**
   * Frames that change nothing: empty DATA without END_STREAM, DATA of padding only, PRIORITY, unknown types, answers to
   * PINGs that were not sent, repeated GOAWAYs, interim responses, frames on closed streams (but for a few that each
   * stream earns), and every 256 octets of a header block whose list is over the limit.
   */
  readonly uselessFrames: Rate;
  /** WINDOW_UPDATEs beyond what the DATA we sent earned. */
  readonly windowUpdates: Rate;
  /** Milliseconds of a monotonic clock, for the rates; read only when one is used up. Default `performance.now`. */
  readonly now: () => number;
}

/** Fills in the defaults of the role. Throws RangeError, which names the option, for what the RFC does not allow or what makes no sense. */
export function resolveCodecOptions(role: Role, given: Partial<CodecOptions>): CodecOptions {
  const maxHeaderListBytes = given.maxHeaderListBytes ?? MAX_HEADER_LIST_BYTES[role];
  const options: CodecOptions = {
    streamWindowBytes: STREAM_WINDOW_BYTES,
    connectionWindowBytes: CONNECTION_WINDOW_BYTES,
    maxLentBytes: given.connectionWindowBytes ?? CONNECTION_WINDOW_BYTES,
    maxFrameBytes: MAX_FRAME_BYTES,
    maxHeaderListBytes,
    maxHeaderBlockBytes: HEADER_BLOCK_FACTOR * maxHeaderListBytes,
    maxContinuations: MAX_CONTINUATIONS,
    maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
    maxSettingsEntries: MAX_SETTINGS_ENTRIES,
    maxControlBytes: MAX_CONTROL_BYTES,
    maxRecentResets: MAX_RECENT_RESETS,
    huffman: false,
    neverIndexed: NEVER_INDEXED_NAMES,
    resets: RESETS,
    denials: DENIALS,
    answers: ANSWERS,
    uselessFrames: USELESS_FRAMES,
    windowUpdates: WINDOW_UPDATES,
    now: monotonicMs,
    ...given,
  };
  for (const range of RANGES) requireRange(range, options[range[0]]);
  for (const name of RATES) requireRate(name, options[name]);
  if (typeof options.now !== 'function') throw new RangeError('now: not a function that answers milliseconds');
  return options;
}

function monotonicMs(): number {
  return performance.now();
}

function requireRange([name, least, most]: (typeof RANGES)[number], value: number): void {
  if (value >= least && value <= most && (value === most || Number.isInteger(value))) return;
  throw new RangeError(`${name}: ${value} is not a whole number from ${least} to ${most}`);
}

/** Never (0) and without limit (infinite) are rates. */
function requireRate(name: (typeof RATES)[number], rate: Rate): void {
  if (rate?.burst >= 0 && rate.perSecond >= 0) return;
  throw new RangeError(`${name}: burst ${rate?.burst}, perSecond ${rate?.perSecond} are not both numbers from 0`);
}
