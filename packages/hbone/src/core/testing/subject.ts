import { Codec } from '../codec.ts';
import { EventRecorder, type RecordedEvent } from '../event-recorder.ts';
import { CLIENT_PREFACE, FRAME_HEADER_BYTES, FrameType } from '../frame.ts';
import { type CodecOptions, MIN_CONTROL_ROOM_BYTES, type Role } from '../limits.ts';
import { CONNECT, headers, OK, octets, settings, settingsAck, uint32 } from './frames.ts';

export interface Sent {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: string;
}

/** A codec past its greeting, with what it says in plain view. */
export class Subject {
  readonly recorder = new EventRecorder();
  readonly codec: Codec;
  /** Time of the rate limits, which does not pass by itself. */
  nowMs = 0;

  constructor(role: Role, options?: Partial<CodecOptions>) {
    this.codec = new Codec(role, this.recorder, { now: () => this.nowMs, ...options });
    this.sent();
    this.push(...(role === 'server' ? [Buffer.from(CLIENT_PREFACE)] : []), settings(), settingsAck());
    this.recorder.take();
    this.sent();
  }

  push(...frames: readonly Uint8Array[]): RecordedEvent[] {
    const bytes = Buffer.concat(frames);
    this.codec.push(bytes, 0, bytes.length);
    this.codec.wake();
    return this.recorder.take();
  }

  /** Opens a stream on which data may flow both ways. */
  open(): number {
    if (this.codec.maxConcurrentStreams === 0) throw new Error('no stream allowed');
    const id = this.codec.request(CONNECT);
    this.push(headers(id, OK));
    this.sent();
    return id;
  }

  /**
   * The code of the connection error in which the frames end, undefined if they end in none. Throws unless a GOAWAY says
   * so and nothing is read after it.
   */
  errorOf(...frames: readonly Uint8Array[]): number | undefined {
    const end = this.push(...frames).at(-1);
    if (end?.type !== 'fatal') return undefined;
    const goodbye = this.sent().at(-1);
    if (goodbye?.type !== FrameType.GOAWAY || goodbye.payload.slice(8) !== uint32(end.code))
      throw new Error(`no GOAWAY with ${end.code} but ${JSON.stringify(goodbye)}`);
    if (!this.codec.failed || this.push(settings()).length > 0 || this.codec.controlWaiting)
      throw new Error('the connection goes on after its error');
    return end.code;
  }

  /** What the codec had to send, taken from it. */
  sent(): Sent[] {
    const memory = Buffer.alloc(MIN_CONTROL_ROOM_BYTES);
    const frames: Sent[] = [];
    for (;;) {
      const bytes = this.codec.control(memory, 0, memory.length);
      if (bytes === 0) return frames;
      frames.push(...Subject.#parse(memory, bytes));
    }
  }

  static #parse(memory: Buffer, bytes: number): Sent[] {
    const frames: Sent[] = [];
    let at = memory.subarray(0, CLIENT_PREFACE.length).equals(CLIENT_PREFACE) ? CLIENT_PREFACE.length : 0;
    while (at < bytes) {
      const length = memory.readUIntBE(at, 3);
      const start = at + FRAME_HEADER_BYTES;
      frames.push({
        type: memory[at + 3]!,
        flags: memory[at + 4]!,
        id: memory.readUInt32BE(at + 5),
        payload: memory.toString('hex', start, start + length),
      });
      at = start + length;
    }
    return frames;
  }

  sendData(id: number, length: number, last = false): void {
    this.codec.data(octets(FRAME_HEADER_BYTES), 0, id, length, last);
  }
}

/** Either role with stream 1 open, and answered. */
export function withStream(role: Role, options?: Partial<CodecOptions>): Subject {
  if (role === 'server') return serverWithStream(options);
  const subject = new Subject('client', options);
  subject.open();
  return subject;
}

/** A server with stream 1 open, and answered. */
export function serverWithStream(options?: Partial<CodecOptions>): Subject {
  const subject = new Subject('server', options);
  subject.push(headers(1, CONNECT));
  subject.codec.respond(1, OK, false);
  subject.sent();
  return subject;
}

export const rst = (id: number, code: number): Sent => ({
  type: FrameType.RST_STREAM,
  flags: 0,
  id,
  payload: uint32(code),
});
export const update = (id: number, bytes: number): Sent => ({
  type: FrameType.WINDOW_UPDATE,
  flags: 0,
  id,
  payload: uint32(bytes),
});
export const gone = (last: number, code: number): Sent => ({
  type: FrameType.GOAWAY,
  flags: 0,
  id: 0,
  payload: uint32(last) + uint32(code),
});
