import { ReactorError } from '../errors.ts';
import { SLOT_BYTES } from '../loop/read-memory.ts';
import type { Arena } from '../memory/arena.ts';
import type { Handle, LentBytes, OpenSsl } from '../native/open-ssl.ts';
import { RECORD_HEADER_BYTES, RECORD_TAIL_BYTES } from './record-cipher.ts';

/** 60 full records; measured: with less, one write(2) takes less than the kernel would. */
const WIRE_BYTES = 1_048_576;
/** 64 full records: what four sockets are read in a turn. Measured: with less, many streams make too many calls. */
const SEALED_BYTES = 64 * (RECORD_HEADER_BYTES + SLOT_BYTES + RECORD_TAIL_BYTES);
/** What a record adds to its plaintext, and a KeyUpdate or an alert before it. RFC 8446 5.2 */
const RECORD_OVERHEAD_BYTES = 512;

/** A connection that writes records. */
export interface WireUser {
  /** Takes all that there is on the wire: it is this connection's. Calls nobody back. */
  drain(): void;
}

/**
 * Where all TLS connections of a thread write their records: one after the other into the same memory, from which each hands
 * its own to its socket. So writing never waits inside of OpenSSL, records of a turn leave with one system call, and no
 * connection has a buffer of its own. Records of OpenSSL's own making are in a pair of BIOs; those of a `RecordLayer`, which
 * come after them, in the arena.
 */
export class Wire {
  /** What SSL objects write to. Each holds a reference (`share`). */
  readonly #input: Handle;
  readonly #output: Handle;
  readonly #openSsl: OpenSsl;
  readonly #arena: Arena;
  readonly #memory: number;
  readonly #lent = { address: 0, length: 0 };
  /** Records in the arena: `[#start, #end)`. */
  #start: number;
  #end: number;
  #user: WireUser | undefined;

  /** @throws {ReactorError} `REACTOR_MEMORY_EXHAUSTED` */
  constructor(openSsl: OpenSsl, arena: Arena) {
    const pair = openSsl.pair(WIRE_BYTES);
    if (pair === undefined) throw new ReactorError('REACTOR_MEMORY_EXHAUSTED', 'OpenSSL has no memory for its records');
    this.#openSsl = openSsl;
    [this.#input, this.#output] = pair;
    this.#arena = arena;
    this.#memory = this.#start = this.#end = arena.reserve(SEALED_BYTES);
  }

  /** A reference for an SSL object, which frees it. */
  share(): Handle {
    this.#openSsl.call.BIO_up_ref(this.#input);
    return this.#input;
  }

  /** To be called before each series of calls that may write: what the one before has written leaves first. */
  claim(user: WireUser): void {
    const before = this.#user;
    if (before === user) return;
    before?.drain();
    this.#user = user;
  }

  /** Has `user` take what it wrote; what another wrote is not touched. */
  flush(user: WireUser): void {
    if (this.#user === user) user.drain();
  }

  /** Sees to it that OpenSSL has room for a record with `bytes` of plaintext. */
  ensureRoom(bytes: number): void {
    if (this.#openSsl.call.BIO_ctrl_get_write_guarantee(this.#input) < bytes + RECORD_OVERHEAD_BYTES)
      this.#user?.drain();
  }

  /** Where the current user may put a record of `bytes`: say `sealed` how long it is. */
  spaceFor(bytes: number): number {
    if (this.#end + bytes > this.#memory + SEALED_BYTES) this.#user?.drain();
    return this.#end;
  }

  /** A record of `bytes` was put where there was space. */
  sealed(bytes: number): void {
    this.#end += bytes;
  }

  /** What is to be taken, in one piece; empty if there is nothing. Valid until the next call. */
  waiting(): LentBytes {
    const length = this.#end - this.#start;
    if (length === 0) return this.#openSsl.waiting(this.#output);
    this.#lent.address = this.#arena.address(this.#start, length);
    this.#lent.length = length;
    return this.#lent;
  }

  /** Bytes of OpenSSL's that are to be taken. */
  get bytes(): number {
    return this.#openSsl.call.BIO_ctrl_pending(this.#output);
  }

  take(bytes: number): void {
    if (this.#start === this.#end) return this.#openSsl.take(this.#output, bytes);
    this.#start += bytes;
    if (this.#start === this.#end) this.#start = this.#end = this.#memory;
  }

  /** Puts bytes of the arena behind what OpenSSL wrote for the current user, as they are. */
  put(at: number, length: number): void {
    this.#openSsl.put(this.#input, at, length);
  }

  /** Drops what is there. */
  discard(): void {
    for (let { length } = this.waiting(); length > 0; { length } = this.waiting()) this.take(length);
  }

  /** `user` is gone, and what it wrote with it. */
  release(user: WireUser): void {
    if (this.#user !== user) return;
    this.discard();
    this.#user = undefined;
  }

  close(): void {
    this.#openSsl.call.BIO_free(this.#input);
    this.#openSsl.call.BIO_free(this.#output);
  }
}
