import { ReactorError } from '../errors.ts';
import { type ForeignFunction, foreignLibrary } from '../native/foreign-library.ts';
import {
  MADV_DONTNEED,
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
  #next = 0;
  #closed = false;

  /**
   * `size` in bytes, a multiple of the page size; nothing of it is resident before it is used.
   * @throws {ReactorError} `REACTOR_UNSUPPORTED`; `REACTOR_MEMORY_EXHAUSTED` if there is no such range.
   */
  constructor(size: number) {
    const library = foreignLibrary();
    const mmap = library.find('mmap', 'uintptr_t', ['uintptr_t', 'size_t', 'int', 'int', 'int', 'int64_t']);
    this.#madvise = library.find('madvise', 'int', ['uintptr_t', 'size_t', 'int']);
    const base = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    // MAP_FAILED is 2^64 - 1.
    if (!Number.isSafeInteger(base))
      throw new ReactorError(
        'REACTOR_MEMORY_EXHAUSTED',
        `no range of ${size} bytes to map (is a limit set, ulimit -v?)`,
      );
    this.#base = base;
    this.size = size;
    const memory = library.koffi.view(BigInt(base), size);
    this.bytes = new Uint8Array(memory);
    this.view = new DataView(memory);
  }

  /** Sets `length` bytes aside for good; answers their offset. @throws {ReactorError} `REACTOR_MEMORY_EXHAUSTED` */
  reserve(length: number, alignment = ALIGNMENT_BYTES): number {
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

  /** Where `[at, at + length)` is. @throws {ReactorError} `REACTOR_MEMORY_MISUSED` if that is not all inside. */
  address(at: number, length: number): number {
    if (!(at >= 0 && length >= 0 && at + length <= this.size) || this.#closed) this.#refuse(at, length);
    return this.#base + at;
  }

  /** Writes the `index`th `struct iovec` of the array at `at`: `[target, target + length)`. */
  putVector(at: number, index: number, target: number, length: number): void {
    const address = this.address(target, length);
    const vector = at + index * IOVEC.size;
    this.view.setUint32(vector, address % WORD, true);
    this.view.setUint32(vector + 4, Math.floor(address / WORD), true);
    this.view.setUint32(vector + IOVEC.length, length, true);
    this.view.setUint32(vector + IOVEC.length + 4, 0, true);
  }

  /** Gives pages back to the kernel; they read as zeros. Whole pages inside of `[at, at + length)` only. */
  discard(at: number, length: number): void {
    this.#madvise(this.address(at, length), length, MADV_DONTNEED);
  }

  /** Gives all pages back; idempotent. Every address asked for later is refused. */
  close(): void {
    if (this.#closed) return;
    this.discard(0, this.size);
    this.#closed = true;
  }

  #refuse(at: number, length: number): never {
    throw new ReactorError(
      'REACTOR_MEMORY_MISUSED',
      `${length} bytes at ${at} are not all inside of the arena${this.#closed ? ', which is closed' : ''}`,
    );
  }
}
