import type { SocketAddress } from '@ambientmesh/hbone';
import { ReactorError } from '../errors.ts';
import type { Reactor } from '../loop/reactor.ts';
import { type ForeignFunction, foreignLibrary } from '../native/foreign-library.ts';
import {
  AF_INET6,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../native/kernel-constants.ts';
import { SOCKADDR_IN } from '../native/kernel-layout.ts';
import { checked } from '../native/system-call-error.ts';
import { readSocketAddress, SOCKET_ADDRESS_BYTES, writeSocketAddress } from './socket-address.ts';
import { socketShare } from './socket-share.ts';

/** Where to listen. */
export interface ListenerOptions {
  /** An address of this host; `::` takes IPv4 as well. */
  readonly ip: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Connections that the kernel holds until they are accepted; default 511, as Node's. */
  readonly backlog?: number;
  /** Several listeners, for example one a thread, share the port, and the kernel spreads connections (`SO_REUSEPORT`); default false. */
  readonly reusePort?: boolean;
}

/** A descriptor that listens; the caller's until it is given to `listen`. */
export interface OpenListener {
  readonly descriptor: number;
  readonly local: SocketAddress;
}

const DEFAULT_BACKLOG = 511;

/**
 * Makes descriptors of TCP where the process is. Those in other namespaces, with marks or foreign addresses come from elsewhere
 * (`@ambientmesh/netns`).
 */
export class SocketOpener {
  readonly #reactor: Reactor;
  readonly #errno: () => number;
  readonly #socket: ForeignFunction;
  readonly #bind: ForeignFunction;
  readonly #listen: ForeignFunction;

  /** @throws {ReactorError} `REACTOR_UNSUPPORTED` */
  constructor(reactor: Reactor) {
    const library = foreignLibrary();
    this.#reactor = reactor;
    this.#errno = () => library.koffi.errno();
    this.#socket = library.find('socket', 'int', ['int', 'int', 'int']);
    this.#bind = library.find('bind', 'int', ['int', 'uintptr_t', 'int']);
    this.#listen = library.find('listen', 'int', ['int', 'int']);
  }

  /** Nothing is left open when it throws. @throws {ReactorError} `REACTOR_INVALID_ARGUMENT`, `REACTOR_SYSTEM_CALL` */
  openListener({ ip, port, backlog = DEFAULT_BACKLOG, reusePort = false }: ListenerOptions): OpenListener {
    const { arena, calls } = this.#reactor;
    const descriptor = this.openSocket({ ip, port });
    const check = (operation: string, result: number): number => checked(result, operation, `${ip} port ${port}`);
    try {
      check('setsockopt', calls.setOption(descriptor, SOL_SOCKET, reusePort ? SO_REUSEPORT : SO_REUSEADDR, 1));
      const { address } = socketShare(this.#reactor);
      const length = writeSocketAddress(arena, address, { ip, port });
      if (length > SOCKADDR_IN.size) check('setsockopt', calls.setOption(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0));
      check('bind', this.#answer(this.#bind(descriptor, arena.address(address, length), length)));
      check('listen', this.#answer(this.#listen(descriptor, backlog)));
      check('getsockname', calls.socketName(descriptor, address, SOCKET_ADDRESS_BYTES));
      return { descriptor, local: readSocketAddress(arena, address) };
    } catch (error) {
      calls.close(descriptor);
      throw error;
    }
  }

  /** Unconnected, of the family of `to`. @throws {ReactorError} `REACTOR_INVALID_ARGUMENT`, `REACTOR_SYSTEM_CALL` */
  openSocket(to: SocketAddress): number {
    const { arena } = this.#reactor;
    const { address } = socketShare(this.#reactor);
    if (writeSocketAddress(arena, address, to) === 0)
      throw new ReactorError('REACTOR_INVALID_ARGUMENT', `${to.ip} port ${to.port}: want an IP address and a port`);
    const family = arena.view.getUint16(address + SOCKADDR_IN.family, true);
    const result = this.#socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return checked(this.#answer(result), 'socket', family === AF_INET6 ? 'IPv6' : 'IPv4');
  }

  #answer(result: number): number {
    return result < 0 ? -this.#errno() : result;
  }
}
