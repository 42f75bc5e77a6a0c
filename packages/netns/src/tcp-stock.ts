import { closeDescriptor } from './descriptors.ts';
import { SOCK_STREAM } from './kernel-constants.ts';
import type { Namespace } from './namespace.ts';
import { type OpenTcpOptions, type OutgoingSocket, openWith, prepare } from './outgoing-socket.ts';
import type { SocketAddress } from './socket-address.ts';
import { makeSockets } from './socket-descriptor.ts';
import { SourcePorts } from './source-ports.ts';

/** Sockets of one family that are made in one visit to the namespace, and thus held, at most. */
const MOST = 32;

/** What all sockets of a stock have in common. */
export type TcpStockOptions = Pick<OpenTcpOptions, 'mark' | 'noDelay' | 'keepAlive' | 'userTimeoutMs' | 'device'>;

/** What one connection wants of its socket. */
export interface TakeOptions extends Pick<OpenTcpOptions, 'family' | 'source' | 'sourcePort' | 'requireSource'> {
  /**
   * Where it is going: with a `source` that is not required, and no `sourcePort`, the port is then chosen among those to
   * there, which is far cheaper where many connections come and go. connect(2) says EADDRNOTAVAIL if it is taken: take
   * another socket without `to`.
   */
  readonly to?: SocketAddress;
}

/**
 * TCP sockets of one namespace, made several at a time: going there and back costs more than a socket does. The more are
 * taken, the more are made at once; `trim` closes those that nobody wanted. Holds 32 descriptors a family at most.
 */
export class TcpStock {
  readonly #namespace: Namespace;
  readonly #options: TcpStockOptions;
  readonly #held = { 4: [] as number[], 6: [] as number[] };
  readonly #batch = { 4: 1, 6: 1 };
  #taken = 0;
  /** Read when first wanted; null: the kernel chooses. */
  #ports: SourcePorts | null | undefined;

  /** `namespace` stays the caller's. */
  constructor(namespace: Namespace, options: TcpStockOptions = {}) {
    this.#namespace = namespace;
    this.#options = options;
  }

  /** Descriptors held. */
  get size(): number {
    return this.#held[4].length + this.#held[6].length;
  }

  /** A socket as `openTcp` makes it; throws what `openTcp` throws. */
  take(options: TakeOptions): OutgoingSocket {
    this.#taken++;
    const preferredPort = this.#choosePort(options);
    const { to: _to, ...wanted } = options;
    return openWith(this.#namespace, { ...this.#options, ...wanted, preferredPort }, () => this.#next(options.family));
  }

  /** Gives back what is held if nothing was taken since the last call; to be called now and then. True: nothing is held any more. */
  trim(): boolean {
    if (this.#taken === 0) this.close();
    this.#taken = 0;
    return this.size === 0;
  }

  /** Closes what is held; what is taken later is made for it. */
  close(): void {
    for (const family of [4, 6] as const) {
      for (const fd of this.#held[family].splice(0)) closeDescriptor(fd);
      this.#batch[family] = 1;
    }
  }

  #choosePort({ source, sourcePort, requireSource, to }: TakeOptions): number {
    if (to === undefined || source === undefined || sourcePort !== undefined || requireSource === true) return 0;
    if (this.#ports === undefined) this.#ports = SourcePorts.of(this.#namespace) ?? null;
    return this.#ports?.next(source, to) ?? 0;
  }

  #next(family: 4 | 6): number {
    const held = this.#held[family];
    return prepare(held?.pop() ?? this.#make(family), this.#namespace, this.#options);
  }

  #make(family: 4 | 6): number {
    const count = this.#batch[family];
    const [first, ...rest] = makeSockets(this.#namespace, { family, kind: SOCK_STREAM, count });
    this.#held[family].push(...rest);
    this.#batch[family] = Math.min(count * 2, MOST);
    return first;
  }
}
