import type { Arena } from '../memory/arena.ts';
import { type ForeignFunction, type ForeignLibrary, foreignLibrary } from './foreign-library.ts';
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EPOLL_CLOEXEC,
  MSG_PEEK,
  SHUT_WR,
  SO_ERROR,
  SO_LINGER,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from './kernel-constants.ts';
import { type EpollEventLayout, INT_BYTES, IOVEC, LINGER } from './kernel-layout.ts';

/** Room for the largest thing passed by reference that is not the caller's. */
const SCRATCH_BYTES = 64;

/**
 * The system calls of a thread, on memory of its arena. All answer what the call does, or the negated errno, read at once;
 * none throws but for memory that is not the arena's. Offsets and lengths are in bytes.
 */
export class SystemCalls {
  readonly epollEvent: EpollEventLayout;
  readonly #arena: Arena;
  readonly #errno: () => number;
  readonly #scratch: number;
  readonly #read: ForeignFunction;
  readonly #write: ForeignFunction;
  readonly #recv: ForeignFunction;
  readonly #readv: ForeignFunction;
  readonly #writev: ForeignFunction;
  readonly #accept4: ForeignFunction;
  readonly #connect: ForeignFunction;
  readonly #getsockname: ForeignFunction;
  readonly #getpeername: ForeignFunction;
  readonly #getsockopt: ForeignFunction;
  readonly #setsockopt: ForeignFunction;
  readonly #shutdown: ForeignFunction;
  readonly #close: ForeignFunction;
  readonly #epollCreate: ForeignFunction;
  readonly #epollControl: ForeignFunction;
  readonly #epollWait: ForeignFunction;
  readonly #eventfd: ForeignFunction;

  /** @throws {ReactorError} `REACTOR_UNSUPPORTED` if a function is missing; `REACTOR_MEMORY_EXHAUSTED` */
  constructor(arena: Arena, library: ForeignLibrary = foreignLibrary()) {
    this.epollEvent = library.epollEvent;
    this.#arena = arena;
    this.#errno = () => library.koffi.errno();
    this.#scratch = arena.reserve(SCRATCH_BYTES);
    const [int, size, pointer, long] = ['int', 'size_t', 'uintptr_t', 'int64_t'];
    this.#read = library.find('read', long, [int, pointer, size]);
    this.#write = library.find('write', long, [int, pointer, size]);
    this.#recv = library.find('recv', long, [int, pointer, size, int]);
    this.#readv = library.find('readv', long, [int, pointer, int]);
    this.#writev = library.find('writev', long, [int, pointer, int]);
    this.#accept4 = library.find('accept4', int, [int, pointer, pointer, int]);
    this.#connect = library.find('connect', int, [int, pointer, int]);
    this.#getsockname = library.find('getsockname', int, [int, pointer, pointer]);
    this.#getpeername = library.find('getpeername', int, [int, pointer, pointer]);
    this.#getsockopt = library.find('getsockopt', int, [int, int, int, pointer, pointer]);
    this.#setsockopt = library.find('setsockopt', int, [int, int, int, pointer, int]);
    this.#shutdown = library.find('shutdown', int, [int, int]);
    this.#close = library.find('close', int, [int]);
    this.#epollCreate = library.find('epoll_create1', int, [int]);
    this.#epollControl = library.find('epoll_ctl', int, [int, int, int, pointer]);
    this.#epollWait = library.find('epoll_wait', int, [int, pointer, int, int]);
    this.#eventfd = library.find('eventfd', int, [int, int]);
  }

  read(fd: number, at: number, length: number): number {
    return this.#answer(this.#read(fd, this.#arena.address(at, length), length));
  }

  /** As `read` of a socket, but what is read stays; an error that waits is taken. */
  peek(fd: number, at: number, length: number): number {
    return this.#answer(this.#recv(fd, this.#arena.address(at, length), length, MSG_PEEK));
  }

  write(fd: number, at: number, length: number): number {
    return this.#answer(this.#write(fd, this.#arena.address(at, length), length));
  }

  /** As `read`, into memory that OpenSSL owns: `[address, address + length)` is what `BIO_nwrite0` has answered. */
  readLent(fd: number, address: number, length: number): number {
    return this.#answer(this.#read(fd, address, length));
  }

  /** As `write`, of memory that OpenSSL owns: `[address, address + length)` is what `BIO_nread0` has answered. */
  writeLent(fd: number, address: number, length: number): number {
    return this.#answer(this.#write(fd, address, length));
  }

  /** `count` vectors at `vectors`, made by `Arena.putVector`. */
  readv(fd: number, vectors: number, count: number): number {
    return this.#answer(this.#readv(fd, this.#arena.address(vectors, count * IOVEC.size), count));
  }

  writev(fd: number, vectors: number, count: number): number {
    return this.#answer(this.#writev(fd, this.#arena.address(vectors, count * IOVEC.size), count));
  }

  /** A non-blocking descriptor; the peer's address is written to `[address, address + room)`. */
  accept(fd: number, address: number, room: number): number {
    return this.#answer(
      this.#accept4(fd, this.#arena.address(address, room), this.#putLength(room), SOCK_NONBLOCK | SOCK_CLOEXEC),
    );
  }

  connect(fd: number, address: number, length: number): number {
    return this.#answer(this.#connect(fd, this.#arena.address(address, length), length));
  }

  /** Writes the socket's own address to `[address, address + room)`. */
  socketName(fd: number, address: number, room: number): number {
    return this.#answer(this.#getsockname(fd, this.#arena.address(address, room), this.#putLength(room)));
  }

  peerName(fd: number, address: number, room: number): number {
    return this.#answer(this.#getpeername(fd, this.#arena.address(address, room), this.#putLength(room)));
  }

  /** `SO_ERROR`, which is cleared by it: an errno, or 0. */
  takeError(fd: number): number {
    const at = this.#scratch;
    const length = this.#putLength(INT_BYTES);
    const result = this.#getsockopt(fd, SOL_SOCKET, SO_ERROR, this.#arena.address(at, INT_BYTES), length);
    return result < 0 ? this.#errno() : this.#arena.view.getInt32(at, true);
  }

  setOption(fd: number, level: number, name: number, value: number): number {
    this.#arena.view.setInt32(this.#scratch, value, true);
    return this.#answer(this.#setsockopt(fd, level, name, this.#arena.address(this.#scratch, INT_BYTES), INT_BYTES));
  }

  /** The next `close` sends RST and drops what is queued. */
  resetOnClose(fd: number): number {
    const at = this.#scratch;
    this.#arena.view.setInt32(at + LINGER.onOff, 1, true);
    this.#arena.view.setInt32(at + LINGER.seconds, 0, true);
    const address = this.#arena.address(at, LINGER.size);
    return this.#answer(this.#setsockopt(fd, SOL_SOCKET, SO_LINGER, address, LINGER.size));
  }

  /** Sends FIN. */
  shutdown(fd: number): number {
    return this.#answer(this.#shutdown(fd, SHUT_WR));
  }

  close(fd: number): number {
    return this.#answer(this.#close(fd));
  }

  epollCreate(): number {
    return this.#answer(this.#epollCreate(EPOLL_CLOEXEC));
  }

  /** `operation`: EPOLL_CTL_*; `event`: where a `struct epoll_event` is, of layout `epollEvent`. */
  epollControl(epoll: number, operation: number, fd: number, event: number): number {
    return this.#answer(this.#epollControl(epoll, operation, fd, this.#arena.address(event, this.epollEvent.size)));
  }

  /** At most `most` events, written to `events`; waits `timeoutMs` at most, for ever with -1. */
  epollWait(epoll: number, events: number, most: number, timeoutMs: number): number {
    const address = this.#arena.address(events, most * this.epollEvent.size);
    return this.#answer(this.#epollWait(epoll, address, most, timeoutMs));
  }

  /** A non-blocking eventfd(2). */
  eventDescriptor(): number {
    return this.#answer(this.#eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  }

  #putLength(room: number): number {
    const at = this.#scratch + SCRATCH_BYTES / 2;
    this.#arena.view.setInt32(at, room, true);
    return this.#arena.address(at, INT_BYTES);
  }

  #answer(result: number): number {
    return result < 0 ? -this.#errno() : result;
  }
}
