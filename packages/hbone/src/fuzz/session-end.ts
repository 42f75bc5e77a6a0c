import { Codec } from '../core/codec.ts';
import { ErrorCode } from '../core/error-code.ts';
import { Flag, FRAME_HEADER_BYTES, FrameType, MIN_MAX_FRAME_BYTES, readUint32 } from '../core/frame.ts';
import { type CodecOptions, DEFAULT_WINDOW_BYTES, MIN_CONTROL_ROOM_BYTES, type Role } from '../core/limits.ts';
import { frame as buildFrame, settings as settingsFrame } from '../core/testing/frames.ts';
import { demand, EventOracle } from './event-oracle.ts';
import { buildSettings, cutFrames } from './frames.ts';

const PATTERN_BYTES = 251;
const controlMemory = Buffer.alloc(MIN_CONTROL_ROOM_BYTES);
/** hbone.md §2 */
const DEFAULTS = { streamWindowBytes: 4_194_304, connectionWindowBytes: 16_777_216, maxFrameBytes: 1_048_576 } as const;
/** `share` and its like are octets of the input. */
const MAX_OCTET = 255;
/** A window is told when a quarter of it is owed. */
const LEAST_LEFT = 0.75;

/** RFC 9113 6.5.2 */
const SettingId = { HEADER_TABLE_SIZE: 1, INITIAL_WINDOW_SIZE: 4, MAX_FRAME_SIZE: 5 } as const;

/** One direction of one stream: what was said, and what was heard. */
interface Flow {
  bytes: number;
  ended: boolean;
}

/** What a payload octet must be: every stream and direction counts in its own way. */
function patternAt(role: Role, id: number, offset: number): number {
  return (offset * 7 + id * 31 + (role === 'client' ? 1 : 2)) % PATTERN_BYTES;
}

/** One end of a session between two codecs, with the bytes on their way to it and a record of what it sent and got. */
export class SessionEnd {
  readonly role: Role;
  readonly codec: Codec;
  readonly oracle: EventOracle;
  readonly sent = new Map<number, Flow>();
  readonly received = new Map<number, Flow>();
  /** Streams that did not end by END_STREAM here. */
  readonly cut = new Set<number>();
  /** Server: requests without an answer. */
  readonly unanswered: number[] = [];
  readonly options: Partial<CodecOptions>;
  /** Bytes on the way to this end. */
  readonly #arriving: Buffer[] = [];
  /** SETTINGS that `injectSettings` made up: the peer must not see their ACKs. */
  #injected = 0;
  /** ACKs that this end sent. */
  #acknowledged = 0;
  /** The connection's window as this end's peer sees it: what it may still send to this end. */
  #granted = DEFAULT_WINDOW_BYTES;

  constructor(role: Role, options: Partial<CodecOptions>) {
    this.role = role;
    this.options = { ...DEFAULTS, ...options };
    this.oracle = new EventOracle(role);
    this.codec = new Codec(role, this.oracle, { now: () => 0, ...options });
    this.oracle.attach(this.codec);
    this.oracle.reactions = {
      headers: (id, _fields, last) => this.#onHeaders(id, last),
      data: (id, bytes, last) => this.#onData(id, bytes, last),
      reset: (id) => this.cut.add(id),
    };
  }

  get arrivingBytes(): number {
    return this.#arriving.reduce((bytes, { length }) => bytes + length, 0);
  }

  /** Sends a part of the pattern, as much as the windows allow; answers whether anything was sent. */
  send(to: SessionEnd, id: number, { wanted, last }: { wanted: number; last: boolean }): boolean {
    const stream = this.oracle.streams.get(id);
    if (stream === undefined || stream.localEnded || this.unanswered.includes(id)) return false;
    const flow = flowOf(this.sent, id);
    const bytes = Math.min(wanted, this.oracle.budget(id), this.codec.maxFrame);
    const ends = last && bytes === wanted;
    if (bytes === 0 && !ends) return false;
    this.flush(to);
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + bytes);
    this.codec.data(frame, 0, id, bytes, ends);
    for (let at = 0; at < bytes; at++) frame[FRAME_HEADER_BYTES + at] = patternAt(this.role, id, flow.bytes + at);
    flow.bytes += bytes;
    flow.ended = ends;
    if (ends) this.oracle.endedLocally(id);
    to.#granted -= bytes;
    to.#arriving.push(frame);
    return true;
  }

  /** Control frames onto the way to the other end. */
  flush(to: SessionEnd): void {
    for (;;) {
      const bytes = this.codec.control(controlMemory, 0, controlMemory.length);
      if (bytes === 0) return;
      to.#arriving.push(this.#withoutInjectedAcks(controlMemory.subarray(0, bytes)));
    }
  }

  /** Hands over what arrived, up to `bytes` octets. */
  deliver(bytes: number): void {
    for (let left = bytes; left > 0; ) {
      const first = this.#arriving.shift();
      if (first === undefined) return;
      const now = first.subarray(0, left);
      if (now.length < first.length) this.#arriving.unshift(first.subarray(now.length));
      this.oracle.push(now, 0, now.length);
      left -= now.length;
    }
  }

  /** SETTINGS as if the peer changed its mind: smaller windows, frames and tables than it really has, and back. */
  injectSettings(peer: SessionEnd, share: number): void {
    const window = Math.floor(((peer.options.streamWindowBytes ?? 0) * share) / MAX_OCTET);
    const frameBytes = Math.min(peer.options.maxFrameBytes ?? 0, MIN_MAX_FRAME_BYTES + share);
    this.#injected += 1;
    this.#arriving.push(
      settingsFrame(
        buildSettings([
          [SettingId.INITIAL_WINDOW_SIZE, window],
          // The smallest in between counts as well: RFC 7541 4.2
          [SettingId.HEADER_TABLE_SIZE, share % 2 === 0 ? 0 : share],
          [SettingId.HEADER_TABLE_SIZE, share * 16],
          [SettingId.MAX_FRAME_SIZE, frameBytes],
        ]),
      ),
    );
  }

  /** The application took a part of what came. */
  credit(id: number, part: number): void {
    const stream = this.oracle.streams.get(id);
    if (stream !== undefined) this.oracle.credit(id, Math.ceil(stream.uncredited * part));
  }

  reset(id: number): void {
    if (!this.oracle.streams.has(id)) return;
    this.cut.add(id);
    this.oracle.resetStream(id, ErrorCode.CANCEL);
  }

  /** What must hold when nothing is on the way and everything that came was credited. */
  requireSettled(): void {
    demand(this.oracle.fatalCode === undefined, `${this.role}: connection error ${this.oracle.fatalCode}`);
    for (const { id, starved, localEnded } of this.oracle.streams.values())
      if (starved && !localEnded) demand(this.codec.budget(id) === 0, `${this.role} was not told of stream ${id}`);
    const full = this.options.connectionWindowBytes ?? 0;
    demand(this.#granted <= full && this.#granted >= full * LEAST_LEFT, `${this.#granted} of ${full} octets of window`);
  }

  #onHeaders(id: number, last: boolean): void {
    flowOf(this.received, id).ended = last;
    if (this.role === 'server') this.unanswered.push(id);
  }

  #onData(id: number, bytes: Uint8Array, last: boolean): void {
    const flow = flowOf(this.received, id);
    const sender = this.role === 'client' ? 'server' : 'client';
    for (const octet of bytes) demand(octet === patternAt(sender, id, flow.bytes++), `stream ${id}: wrong octet`);
    flow.ended = last;
    const uncredited = [...this.oracle.streams.values()].reduce((sum, stream) => sum + stream.uncredited, 0);
    const stream = this.oracle.streams.get(id)?.uncredited ?? 0;
    demand(
      stream <= Math.max(this.options.streamWindowBytes ?? 0, DEFAULT_WINDOW_BYTES),
      'more than a stream may have',
    );
    demand(uncredited <= 2 * (this.options.connectionWindowBytes ?? 0), 'more than the connection may have');
  }

  #withoutInjectedAcks(bytes: Uint8Array): Buffer {
    const kept: Uint8Array[] = [bytes.subarray(0, bytes.length - framesBytes(bytes))];
    for (const { type, flags, id, payload } of cutFrames(bytes).frames) {
      if (type === FrameType.WINDOW_UPDATE && id === 0) this.#granted += readUint32(payload, 0);
      const ack = type === FrameType.SETTINGS && (flags & Flag.ACK) !== 0;
      if (ack && this.#acknowledged++ > 0 && this.#injected-- > 0) continue;
      kept.push(buildFrame(type, flags, id, payload));
    }
    return Buffer.concat(kept);
  }
}

function framesBytes(bytes: Uint8Array): number {
  return cutFrames(bytes).frames.reduce((sum, { payload }) => sum + FRAME_HEADER_BYTES + payload.length, 0);
}

export function flowOf(flows: Map<number, Flow>, id: number): Flow {
  const flow = flows.get(id) ?? { bytes: 0, ended: false };
  flows.set(id, flow);
  return flow;
}
