import { ReactorError } from '../errors.ts';
import type { Handle, LentBytes, OpenSsl } from '../native/open-ssl.ts';

/**
 * Bytes that are read at once: what they decrypt to, with a record of which the beginning came before, and room for one
 * more, is `ReadMemory.recordsBytes`. More are decrypted no faster: they would not stay in the cache.
 */
export const INTAKE_BYTES = 262_144;

/**
 * Where all TLS connections of a thread read their records from, one connection after the other: what a socket had is put
 * here, and OpenSSL takes all of it in the same series of calls, but for half a record, which it keeps. So OpenSSL never
 * reads from a socket: reads are large, a connection has no buffer of its own, and what was read can be counted. (With its
 * own read-ahead OpenSSL moves all that it has read for each record.)
 */
export class Intake {
  readonly #input: Handle;
  readonly #output: Handle;
  readonly #openSsl: OpenSsl;

  /** @throws {ReactorError} `REACTOR_MEMORY_EXHAUSTED` */
  constructor(openSsl: OpenSsl) {
    const pair = openSsl.pair(INTAKE_BYTES);
    if (pair === undefined) throw new ReactorError('REACTOR_MEMORY_EXHAUSTED', 'OpenSSL has no memory for its records');
    this.#openSsl = openSsl;
    [this.#input, this.#output] = pair;
  }

  /** A reference for an SSL object, which frees it. */
  share(): Handle {
    this.#openSsl.call.BIO_up_ref(this.#output);
    return this.#output;
  }

  /** Where the next bytes are to be put, in one piece: all INTAKE_BYTES if there are none. Say `added` what was. */
  get space(): LentBytes {
    return this.#openSsl.space(this.#input);
  }

  added(bytes: number): void {
    this.#openSsl.fill(this.#input, bytes);
  }

  /** Puts bytes of the arena behind what there is; no more than there is room for. */
  put(at: number, length: number): void {
    this.#openSsl.put(this.#input, at, length);
  }

  /** Bytes that OpenSSL has not taken. */
  get left(): number {
    return this.#openSsl.call.BIO_ctrl_pending(this.#output);
  }

  /** The next of them, in one piece; `take` them. */
  get waiting(): LentBytes {
    return this.#openSsl.waiting(this.#output);
  }

  take(bytes: number): void {
    this.#openSsl.take(this.#output, bytes);
  }

  close(): void {
    this.#openSsl.call.BIO_free(this.#input);
    this.#openSsl.call.BIO_free(this.#output);
  }
}
