import type { Codec } from '../core/codec.ts';
import type { Events, Fields } from '../core/contract.ts';
import { ErrorCode } from '../core/error-code.ts';
import { MAX_STREAM_ID } from '../core/frame.ts';
import type { Role } from '../core/limits.ts';

/** What the receiver of the events knows about one stream. */
export interface OracleStream {
  readonly id: number;
  /** Header block came: a request, or the response to ours. */
  began: boolean;
  /** The peer ended its side. */
  ended: boolean;
  /** We ended our side. */
  localEnded: boolean;
  /** Octets that came and were not credited. */
  uncredited: number;
  /** `budget` answered 0 and no `writable` came since. */
  starved: boolean;
}

/** Reactions of a codec's user, called after the event was judged. */
export interface Reactions {
  headers(id: number, fields: Fields, last: boolean): void;
  data(id: number, bytes: Uint8Array, last: boolean): void;
  reset(id: number, code: number, local: boolean): void;
  goaway(last: number, code: number): void;
  settings(): void;
}

/** Judges the events of a codec: throws an Error at the first that its contract does not allow. */
export class EventOracle implements Events {
  readonly role: Role;
  /** Streams that exist as far as events and calls say. */
  readonly streams = new Map<number, OracleStream>();
  fatalCode: number | undefined;
  reactions: Partial<Reactions> = {};
  #codec: Codec | undefined;
  #pushed: Uint8Array | undefined;
  #start = 0;
  #end = 0;
  #highest = 0;
  /** Own streams that GOAWAY said were not processed, and that must be reset next. */
  readonly #unprocessed = new Set<number>();

  constructor(role: Role) {
    this.role = role;
  }

  /** The codec that was made with this oracle. */
  attach(codec: Codec): void {
    this.#codec = codec;
  }

  /** Pushes into the codec and checks what is left behind. */
  push(memory: Uint8Array, start: number, end: number): void {
    this.#pushed = memory;
    this.#start = start;
    this.#end = end;
    const codec = this.#requireCodec();
    codec.push(memory, start, end);
    codec.wake();
    this.#pushed = undefined;
    demand(this.#unprocessed.size === 0, 'streams above the last id of GOAWAY were not reset');
    demand(codec.failed === (this.fatalCode !== undefined), 'failed without fatal, or the other way round');
    demand(codec.openStreams === this.#countOpen(), `open streams: ${codec.openStreams}, not ${this.#countOpen()}`);
  }

  /** The codec's user opened a stream. */
  requested(id: number): void {
    demand(id > this.#highest && id % 2 === 1, `request got stream ${id}`);
    this.#highest = id;
    this.#add(id, false);
  }

  /** The codec's user ended its side. */
  endedLocally(id: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    stream.localEnded = true;
    this.#settle(stream);
  }

  credit(id: number, bytes: number): void {
    const stream = this.streams.get(id);
    if (stream !== undefined) {
      stream.uncredited -= Math.min(bytes, stream.uncredited);
      this.#settle(stream);
    }
    this.#requireCodec().credit(id, bytes);
  }

  /** The codec's budget, with a note when its user must wait. */
  budget(id: number): number {
    const bytes = this.#requireCodec().budget(id);
    const stream = this.streams.get(id);
    demand(bytes >= 0, `budget of ${bytes}`);
    demand(stream !== undefined || bytes === 0, `budget for stream ${id}, which is gone`);
    if (stream !== undefined && bytes === 0 && !stream.localEnded) stream.starved = true;
    return bytes;
  }

  resetStream(id: number, code: number): void {
    this.streams.delete(id);
    this.#requireCodec().resetStream(id, code);
  }

  /** Streams that both ends must count as open, in order. */
  openIds(): number[] {
    if (this.fatalCode !== undefined) return [];
    const open = [...this.streams.values()].filter(({ ended, localEnded }) => !ended || !localEnded);
    return open.map(({ id }) => id).toSorted((a, b) => a - b);
  }

  data(...[id, memory, start, end, last]: Parameters<Events['data']>): void {
    const stream = this.#require(id);
    demand(stream.began && !stream.ended, `DATA on stream ${id} before its headers or behind its end`);
    demand(start <= end && (end > start || last), `DATA from ${start} to ${end}`);
    if (end > start) {
      demand(memory === this.#pushed, 'DATA that lies not in the pushed memory');
      demand(start >= this.#start && end <= this.#end, `DATA at ${start}-${end} of ${this.#start}-${this.#end}`);
    }
    stream.uncredited += end - start;
    stream.ended = last;
    this.reactions.data?.(id, memory.subarray(start, end), last);
    this.#settle(stream);
  }

  headers(id: number, fields: Fields, last: boolean): void {
    this.#alive();
    if (this.role === 'server') {
      demand(id % 2 === 1 && id > this.#highest, `request on stream ${id} behind ${this.#highest}`);
      this.#highest = id;
      this.#add(id, true);
    }
    const stream = this.#require(id);
    demand(this.role === 'server' || !stream.began, `second response on stream ${id}`);
    requireFields(fields, this.role === 'server' ? ':method' : ':status');
    stream.began = true;
    stream.ended = last;
    this.reactions.headers?.(id, fields, last);
    this.#settle(stream);
  }

  reset(id: number, code: number, local: boolean): void {
    this.#require(id);
    this.streams.delete(id);
    if (this.#unprocessed.delete(id)) demand(code === ErrorCode.REFUSED_STREAM && !local, `unprocessed, but ${code}`);
    this.reactions.reset?.(id, code, local);
  }

  goaway(last: number, code: number): void {
    this.#alive();
    demand(last >= 0 && last <= MAX_STREAM_ID, `GOAWAY with last id ${last}`);
    demand(code >= 0, `GOAWAY with code ${code}`);
    if (this.role === 'client') for (const id of this.openIds()) if (id > last) this.#unprocessed.add(id);
    this.reactions.goaway?.(last, code);
  }

  writable(id: number): void {
    const stream = this.#require(id);
    const budget = this.#requireCodec().budget(id);
    demand(budget > 0, `writable on stream ${id} with budget ${budget}`);
    stream.starved = false;
  }

  settings(): void {
    this.#alive();
    this.reactions.settings?.();
  }

  pong(): void {
    this.#alive();
  }

  fatal(code: number, message: string): void {
    this.#alive();
    demand(code > 0 && message !== '', `fatal ${code} ${message}`);
    this.fatalCode = code;
    this.streams.clear();
    this.#unprocessed.clear();
  }

  #countOpen(): number {
    let count = 0;
    for (const { ended, localEnded } of this.streams.values()) if (!ended || !localEnded) count += 1;
    return count;
  }

  #add(id: number, began: boolean): void {
    this.streams.set(id, { id, began, ended: false, localEnded: false, uncredited: 0, starved: false });
  }

  /** A stream that ended both ways lives on for its user only while there is something to credit. */
  #settle(stream: OracleStream): void {
    if (stream.ended && stream.localEnded && stream.uncredited === 0) this.streams.delete(stream.id);
  }

  #alive(): void {
    demand(this.fatalCode === undefined, 'an event after fatal');
  }

  #require(id: number): OracleStream {
    this.#alive();
    const stream = this.streams.get(id);
    if (stream === undefined) throw new Error(`oracle: an event for stream ${id}, which does not exist`);
    return stream;
  }

  #requireCodec(): Codec {
    if (this.#codec === undefined) throw new Error('attach the codec first');
    return this.#codec;
  }
}

/** Throws when the codec did what its contract does not allow. */
export function demand(condition: boolean, message: string): void {
  if (!condition) throw new Error(`oracle: ${message}`);
}

function requireFields(fields: Fields, pseudo: string): void {
  demand(fields.filter(([name]) => name === pseudo).length === 1, `header fields without one ${pseudo}`);
  for (const [name, value] of fields) {
    demand(name !== '' && name === name.toLowerCase(), `field name ${JSON.stringify(name)}`);
    demand(!/[\0\r\n]/.test(value), `field value ${JSON.stringify(value)}`);
  }
}
