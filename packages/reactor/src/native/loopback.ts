import type { Arena } from '../memory/arena.ts';
import { type ForeignFunction, type ForeignLibrary, foreignLibrary } from './foreign-library.ts';
import {
  AF_INET,
  EINPROGRESS,
  O_CLOEXEC,
  O_NONBLOCK,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from './kernel-constants.ts';
import { INT_BYTES, SOCKADDR_IN } from './kernel-layout.ts';
import { checked } from './system-call-error.ts';
import type { SystemCalls } from './system-calls.ts';

const LOOPBACK = [127, 0, 0, 1];
const BACKLOG = 16;

/** Makes descriptors for talking to oneself; all are non-blocking, and the caller's to close. */
export class Loopback {
  /** Where the `struct sockaddr_in` of the last `listen` is, SOCKADDR_IN.size bytes: whither to connect. */
  readonly address: number;
  readonly #arena: Arena;
  readonly #calls: SystemCalls;
  readonly #errno: () => number;
  readonly #pipe2: ForeignFunction;
  readonly #socket: ForeignFunction;
  readonly #bind: ForeignFunction;
  readonly #listen: ForeignFunction;

  /** @throws {ReactorError} `REACTOR_UNSUPPORTED`, `REACTOR_MEMORY_EXHAUSTED` */
  constructor(arena: Arena, calls: SystemCalls, library: ForeignLibrary = foreignLibrary()) {
    this.#arena = arena;
    this.#calls = calls;
    this.address = arena.reserve(SOCKADDR_IN.size);
    this.#errno = () => library.koffi.errno();
    this.#pipe2 = library.find('pipe2', 'int', ['uintptr_t', 'int']);
    this.#socket = library.find('socket', 'int', ['int', 'int', 'int']);
    this.#bind = library.find('bind', 'int', ['int', 'uintptr_t', 'int']);
    this.#listen = library.find('listen', 'int', ['int', 'int']);
  }

  /** The end to read and the end to write. @throws {ReactorError} `REACTOR_SYSTEM_CALL` */
  pipe(): readonly [number, number] {
    const at = this.address;
    const result = this.#pipe2(this.#arena.address(at, 2 * INT_BYTES), O_NONBLOCK | O_CLOEXEC);
    checked(this.#answer(result), 'pipe2');
    return [this.#arena.view.getInt32(at, true), this.#arena.view.getInt32(at + INT_BYTES, true)];
  }

  /** A TCP socket of IPv4. @throws {ReactorError} `REACTOR_SYSTEM_CALL` */
  socket(): number {
    return checked(this.#answer(this.#socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), 'socket');
  }

  /** A socket that listens on a free port of 127.0.0.1. @throws {ReactorError} `REACTOR_SYSTEM_CALL` */
  listen(): number {
    const at = this.address;
    this.#arena.bytes.fill(0, at, at + SOCKADDR_IN.size);
    this.#arena.view.setUint16(at + SOCKADDR_IN.family, AF_INET, true);
    this.#arena.bytes.set(LOOPBACK, at + SOCKADDR_IN.address);
    const descriptor = this.socket();
    try {
      const address = this.#arena.address(at, SOCKADDR_IN.size);
      checked(this.#answer(this.#bind(descriptor, address, SOCKADDR_IN.size)), 'bind');
      checked(this.#answer(this.#listen(descriptor, BACKLOG)), 'listen');
      checked(this.#calls.socketName(descriptor, at, SOCKADDR_IN.size), 'getsockname');
    } catch (error) {
      this.#calls.close(descriptor);
      throw error;
    }
    return descriptor;
  }

  /** A socket that connects, or has, to what listened last. @throws {ReactorError} `REACTOR_SYSTEM_CALL` */
  connect(): number {
    const descriptor = this.socket();
    const result = this.#calls.connect(descriptor, this.address, SOCKADDR_IN.size);
    if (result === 0 || result === -EINPROGRESS) return descriptor;
    this.#calls.close(descriptor);
    return checked(result, 'connect');
  }

  #answer(result: number): number {
    return result < 0 ? -this.#errno() : result;
  }
}
