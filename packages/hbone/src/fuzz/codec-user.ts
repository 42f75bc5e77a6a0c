import { Codec } from '../core/codec.ts';
import type { Fields } from '../core/contract.ts';
import { ErrorCode } from '../core/error-code.ts';
import { FRAME_HEADER_BYTES } from '../core/frame.ts';
import { type CodecOptions, MIN_CONTROL_ROOM_BYTES, type Role } from '../core/limits.ts';
import { CONNECT, GET, OK } from '../core/testing/frames.ts';
import { EventOracle } from './event-oracle.ts';

const DENIED: Fields = [[':status', '401']];
const ANSWER_BYTES = 7;
const dataHeader = new Uint8Array(FRAME_HEADER_BYTES);
const controlMemory = Buffer.alloc(MIN_CONTROL_ROOM_BYTES);

/** How the user of a codec behaves, as bits of the first octet of an input. */
export const Behaviour = {
  /** Small windows and limits, so that a small input reaches them. */
  SMALL: 0x01,
  /** The peer's greeting comes in front of the input. */
  GREETED: 0x02,
  /** Takes what `control` has after every push, not at the end. */
  DRAINS: 0x04,
  /** Credits from inside of `data`; else at the next event of another kind. */
  CREDITS_INSIDE: 0x08,
  /** Never credits. */
  HOARDS: 0x10,
  /** Sends DATA when it may. */
  SENDS: 0x20,
  /** Resets streams from inside of `data`. */
  RESETS_INSIDE: 0x40,
  /** Ends streams and goes away early. */
  LEAVES: 0x80,
} as const;

/** Limits that inputs of a few KiB reach. */
const SMALL_LIMITS: Partial<CodecOptions> = {
  streamWindowBytes: 2000,
  connectionWindowBytes: 65_535,
  maxFrameBytes: 16_384,
  maxHeaderListBytes: 300,
  maxConcurrentStreams: 3,
  maxControlBytes: 700,
  maxRecentResets: 4,
  maxSettingsEntries: 5,
  maxContinuations: 3,
  huffman: true,
  resets: { burst: 5, perSecond: 0 },
  answers: { burst: 200, perSecond: 0 },
  uselessFrames: { burst: 20, perSecond: 0 },
  windowUpdates: { burst: 8, perSecond: 0 },
};

/** A codec and a user of it that reacts to events by the bits of `Behaviour`; everything else is the input's. */
export class CodecUser {
  readonly codec: Codec;
  readonly oracle: EventOracle;
  readonly log: string[] = [];
  readonly output: Buffer[] = [];
  readonly options: Partial<CodecOptions>;
  readonly #behaviour: number;
  readonly #uncredited = new Map<number, number>();

  constructor(role: Role, behaviour: number) {
    this.#behaviour = behaviour;
    this.options = this.#does('SMALL') ? SMALL_LIMITS : {};
    this.oracle = new EventOracle(role);
    this.codec = new Codec(role, this.oracle, { now: () => 0, ...this.options });
    this.oracle.attach(this.codec);
    this.oracle.reactions = {
      headers: (id, fields, last) => this.#onHeaders(id, fields, last),
      data: (id, bytes, last) => this.#onData(id, bytes, last),
      reset: (id, code, local) => this.#note(`reset ${id} ${code} ${local}`),
      goaway: (last, code) => this.#note(`goaway ${last} ${code}`),
      settings: () => this.#onSettings(),
    };
    if (role === 'client') for (const fields of [CONNECT, GET, CONNECT]) this.#request(fields);
  }

  push(memory: Uint8Array, start: number, end: number): void {
    this.oracle.push(memory, start, end);
    if (this.#does('DRAINS')) this.drain();
  }

  /** Takes everything that waits. */
  drain(): void {
    for (;;) {
      const bytes = this.codec.control(controlMemory, 0, controlMemory.length);
      if (bytes === 0) return;
      this.output.push(Buffer.from(controlMemory.subarray(0, bytes)));
    }
  }

  /** Gives every stream up, as a user does whose application is gone. */
  releaseAll(): void {
    this.#creditAll();
    for (const id of this.oracle.streams.keys()) this.oracle.resetStream(id, ErrorCode.CANCEL);
  }

  #does(what: keyof typeof Behaviour): boolean {
    return (this.#behaviour & Behaviour[what]) !== 0;
  }

  #note(line: string): void {
    if (!this.#does('CREDITS_INSIDE') && !this.#does('HOARDS')) this.#creditAll();
    this.log.push(line);
  }

  #request(fields: Fields): void {
    const id = this.codec.request(fields);
    if (id !== 0) this.oracle.requested(id);
  }

  #onSettings(): void {
    this.#note('settings');
    if (this.oracle.role === 'client') this.#request(CONNECT);
  }

  #onHeaders(id: number, fields: Fields, last: boolean): void {
    this.#note(`headers ${id} ${JSON.stringify(fields)} ${last}`);
    if (this.oracle.role === 'server') this.#answer(id);
    if (this.#does('SENDS')) for (const other of this.oracle.openIds()) this.#send(other);
    if (this.#does('LEAVES') && id > 8) this.codec.goaway(ErrorCode.NO_ERROR, id < 12);
  }

  /** Stream 1 is accepted, 3 denied, 5 left waiting, 7 reset, and so on. */
  #answer(id: number): void {
    const denied = id % 8 === 3;
    if (id % 8 === 7) this.oracle.resetStream(id, ErrorCode.REFUSED_STREAM);
    if (id % 8 === 5 || id % 8 === 7) return;
    this.codec.respond(id, denied ? DENIED : OK, denied);
    if (denied) this.oracle.endedLocally(id);
  }

  #send(id: number): void {
    const stream = this.oracle.streams.get(id);
    if (stream === undefined || stream.localEnded || (this.oracle.role === 'server' && id % 8 === 5)) return;
    const bytes = Math.min(this.oracle.budget(id), ANSWER_BYTES);
    const last = this.#does('LEAVES') && stream.began;
    if (bytes === 0 && !last) return;
    this.codec.data(dataHeader, 0, id, bytes, last);
    if (last) this.oracle.endedLocally(id);
  }

  #onData(id: number, bytes: Uint8Array, last: boolean): void {
    const text = Buffer.from(bytes).toString('latin1');
    const before = this.log.at(-1);
    // However DATA is cut, the log is the same.
    if (before?.startsWith(`data ${id} `) === true) this.log[this.log.length - 1] = before + text;
    else this.log.push(`data ${id} ${text}`);
    this.#uncredited.set(id, (this.#uncredited.get(id) ?? 0) + bytes.length);
    if (this.#does('CREDITS_INSIDE')) this.#creditAll();
    if (this.#does('RESETS_INSIDE') && bytes.length % 3 === 0) this.oracle.resetStream(id, ErrorCode.CANCEL);
    if (last) this.#note(`end ${id}`);
  }

  #creditAll(): void {
    for (const [id, bytes] of this.#uncredited) this.oracle.credit(id, bytes);
    this.#uncredited.clear();
  }
}
