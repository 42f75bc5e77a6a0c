import type { Socket } from 'node:net';
import { MAX_QUERY_BYTES } from './message-format.ts';

/** A connection without a query in work ends after so long without traffic. */
export const TCP_IDLE_MS = 5000;
/** Queries of one connection in work at a time; more are not read yet. */
export const MAX_PIPELINED_QUERIES = 16;
const LENGTH_BYTES = 2;

/** Answers one query; an undefined response ends the connection. `respond` is called once, at once or later. */
export type AnswerMessage = (query: Buffer, respond: (response: Buffer | undefined) => void) => void;

/** One client of DNS over TCP (RFC 7766): messages with a length in front, answered as they get ready. */
export class DnsTcpSession {
  readonly #socket: Socket;
  readonly #answer: AnswerMessage;
  #received: Buffer = Buffer.alloc(0);
  #inWork = 0;
  #ended = false;

  /** Takes the socket over, which must have been accepted with half-open allowed. */
  constructor(socket: Socket, answer: AnswerMessage) {
    this.#socket = socket;
    this.#answer = answer;
  }

  /** Starts reading. */
  start(): void {
    const socket = this.#socket;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#advance());
    socket.on('end', () => {
      this.#ended = true;
      this.#advance();
    });
    socket.setTimeout(TCP_IDLE_MS, () => {
      if (this.#inWork === 0) socket.destroy();
    });
  }

  #receive(chunk: Buffer): void {
    // Bounded: reading pauses while more than a message is held, and a chunk is at most 64 KiB.
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    this.#advance();
  }

  /** Takes up what may be taken up, and decides whether to read on. */
  #advance(): void {
    while (this.#mayTake()) {
      if (this.#received.length < LENGTH_BYTES) break;
      const end = LENGTH_BYTES + this.#received.readUInt16BE(0);
      if (end > LENGTH_BYTES + MAX_QUERY_BYTES) {
        this.#socket.destroy();
        return;
      }
      if (this.#received.length < end) break;
      const query = this.#received.subarray(LENGTH_BYTES, end);
      this.#received = this.#received.subarray(end);
      this.#inWork++;
      this.#answer(query, (response) => this.#respond(response));
    }
    if (this.#mayTake()) this.#socket.resume();
    else this.#socket.pause();
    if (this.#ended && this.#inWork === 0) this.#socket.end();
  }

  #mayTake(): boolean {
    return this.#inWork < MAX_PIPELINED_QUERIES && !this.#socket.writableNeedDrain && !this.#socket.destroyed;
  }

  #respond(response: Buffer | undefined): void {
    this.#inWork--;
    if (this.#socket.destroyed) return;
    if (response === undefined) {
      this.#socket.destroy();
      return;
    }
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt16BE(response.length);
    this.#socket.write(Buffer.concat([length, response]));
    // Not from inside of `#advance`: an answer may be ready at once.
    queueMicrotask(() => this.#advance());
  }
}
