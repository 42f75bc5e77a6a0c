import { closedError, ReactorError } from '../errors.ts';
import { type ForeignFunction, type ForeignLibrary, foreignLibrary } from '../native/foreign-library.ts';
import {
  MADV_DONTNEED,
  MADV_NOHUGEPAGE,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  PROT_READ,
  PROT_WRITE,
} from '../native/kernel-constants.ts';
import { IOVEC } from '../native/kernel-layout.ts';

/** A cache line: what is reserved begins on one. */
const ALIGNMENT_BYTES = 64;
/** A word of an address in memory. */
const WORD = 2 ** 32;

/**
 * One mapping, in which a thread keeps all memory that system calls and OpenSSL read and write. Everything is named by
 * its offset; `address` is the only way from an offset to an address, and checks both ends. Addresses stay valid as long
 * as the process runs: a closed arena gives its pages back, and keeps the range, so that a late user reads zeros instead
 * of somebody else's memory.
 */
export class Arena {
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #base: number;
  readonly #madvise: ForeignFunction;
  readonly #pageBytes: number;
  #next = 0;
  #closed = false;

  /**
   * `size` in bytes; nothing of it is resident before it is used.
   * @throws {ReactorError} `REACTOR_UNSUPPORTED`, `REACTOR_INVALID_ARGUMENT`; `REACTOR_MEMORY_EXHAUSTED` if there is no
   * such range.
   */
  constructor(size: number, library: ForeignLibrary = foreignLibrary()) {
    if (!Number.isSafeInteger(size) || size <= 0)
      throw new ReactorError('REACTOR_INVALID_ARGUMENT', `an arena of ${size} bytes: want a positive integer`);
    const mmap = library.find('mmap', 'uintptr_t', ['uintptr_t', 'size_t', 'int', 'int', 'int', 'int64_t']);
    this.#madvise = library.find('madvise', 'int', ['uintptr_t', 'size_t', 'int']);
    this.#pageBytes = library.find('getpagesize', 'int', [])();
    const base = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    // MAP_FAILED is 2^64 - 1.
    if (!Number.isSafeInteger(base))
      throw new ReactorError(
        'REACTOR_MEMORY_EXHAUSTED',
        `no range of ${size} bytes to map (is a limit set, ulimit -v?)`,
      );
    this.#base = base;
    this.size = size;
    // A kernel without huge pages refuses, and needs no telling.
    this.#madvise(base, size, MADV_NOHUGEPAGE);
    const memory = library.koffi.view(BigInt(base), size);
    this.bytes = new Uint8Array(memory);
    this.view = new DataView(memory);
  }

  /**
   * Sets `length` bytes aside for good; answers their offset, a multiple of `alignment`.
   * @throws {ReactorError} `REACTOR_MEMORY_EXHAUSTED`, `REACTOR_INVALID_ARGUMENT`
   */
  reserve(length: number, alignment = ALIGNMENT_BYTES): number {
    if (!Number.isSafeInteger(length) || length < 0)
      throw new ReactorError('REACTOR_INVALID_ARGUMENT', `${length} bytes of the arena: want an integer, 0 or more`);
    const at = Math.ceil(this.#next / alignment) * alignment;
    if (at + length > this.size)
      throw new ReactorError(
        'REACTOR_MEMORY_EXHAUSTED',
        `the arena of ${this.size} bytes has no ${length} left (give the reactor more memory, or fewer connections)`,
      );
    this.#next = at + length;
    return at;
  }

  /** Bytes that `reserve` has left. */
  get free(): number {
    return this.size - this.#next;
  }

  /**
   * Where `[at, at + length)` is, for a call that is made at once.
   * @throws {ReactorError} `REACTOR_MEMORY_MISUSED` if that is not all inside, `REACTOR_CLOSED` after `close`.
   */
  address(at: number, length: number): number {
    if (!(at >= 0 && length >= 0 && at + length <= this.size) || this.#closed) this.#refuse(at, length);
    return this.#base + at;
  }

  /**
   * Writes the `index`th `struct iovec` of the array at `at`: `[target, target + length)`.
   * @throws {ReactorError} `REACTOR_MEMORY_MISUSED` if either is not all inside, `REACTOR_CLOSED` after `close`.
   */
  putVector(at: number, index: number, target: number, length: number): void {
    const address = this.address(target, length);
    const vector = at + index * IOVEC.size;
    this.address(vector, IOVEC.size);
    this.view.setUint32(vector, address % WORD, true);
    this.view.setUint32(vector + 4, Math.floor(address / WORD), true);
    this.view.setUint32(vector + IOVEC.length, length, true);
    this.view.setUint32(vector + IOVEC.length + 4, 0, true);
  }

  /** Gives pages back to the kernel; they read as zeros. Whole pages inside of `[at, at + length)` only; none are left after `close`. */
  discard(at: number, length: number): void {
    if (this.#closed) return;
    this.address(at, length);
    // The kernel rounds the length up: where pages are larger than what is given back, neighbours would lose theirs.
    const start = Math.ceil(at / this.#pageBytes) * this.#pageBytes;
    const end = Math.floor((at + length) / this.#pageBytes) * this.#pageBytes;
    if (end > start) this.#madvise(this.#base + start, end - start, MADV_DONTNEED);
  }

  /** Gives all pages back; idempotent. Every address asked for later is refused. */
  close(): void {
    if (this.#closed) return;
    this.#madvise(this.#base, this.size, MADV_DONTNEED);
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #refuse(at: number, length: number): never {
    if (this.#closed) throw closedError();
    throw new ReactorError('REACTOR_MEMORY_MISUSED', `${length} bytes at ${at} are not all inside of the arena`);
  }
}
