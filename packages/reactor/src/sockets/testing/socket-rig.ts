import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { ConnectionFailure, Plain } from '@ambientmesh/hbone';
import { Reactor, type ReactorOptions } from '../../loop/reactor.ts';
import { foreignLibrary } from '../../native/foreign-library.ts';
import { Loopback } from '../../native/loopback.ts';
import { dial } from '../dialer.ts';
import { ReactorListener } from '../listener.ts';
import { ReactorPlain } from '../reactor-plain.ts';
import { readSocketAddress } from '../socket-address.ts';

const DEADLINE_MS = 10_000;
const DIAL_TIMEOUT_MS = 5000;
const BACKLOG = 512;
/** As many turns as news on loopback ever take. */
const SETTLE_TURNS = 20;

/** A listener of a reactor. */
export interface Listened {
  readonly port: number;
  readonly failures: readonly ConnectionFailure[];
  readonly close: () => void;
}

/** A reactor that takes its turns between those of Node's event loop, and its sockets. For tests, in debug mode. */
export class SocketRig implements AsyncDisposable {
  readonly reactor: Reactor;
  readonly loopback: Loopback;
  readonly #undos: (() => void)[] = [];

  constructor(options: ReactorOptions = {}) {
    this.reactor = new Reactor({ debug: true, ...options });
    this.loopback = new Loopback(this.reactor.arena, this.reactor.calls);
  }

  later(undo: () => void): void {
    this.#undos.push(undo);
  }

  async turn(): Promise<void> {
    this.reactor.turn(0);
    await new Promise(setImmediate);
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < SETTLE_TURNS; turn++) await this.turn();
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
      await this.turn();
    }
  }

  /** A descriptor that listens, and its port. */
  listening(): { readonly descriptor: number; readonly port: number } {
    const descriptor = this.loopback.listen();
    return { descriptor, port: readSocketAddress(this.reactor.arena, this.loopback.address).port };
  }

  listen(accepted: (plain: ReactorPlain) => void, resumed?: () => void): Listened {
    const { descriptor, port } = this.listening();
    // Longer than the loopback's own queue.
    foreignLibrary().find('listen', 'int', ['int', 'int'])(descriptor, BACKLOG);
    const failures: ConnectionFailure[] = [];
    const listener = new ReactorListener(this.reactor, descriptor, {
      accepted: (plain) => accepted(ours(plain)),
      failed: (failure) => void failures.push(failure),
      ...(resumed === undefined ? {} : { resumed }),
    });
    this.later(() => listener.close());
    return { port, failures, close: () => listener.close() };
  }

  async dial(port: number): Promise<ReactorPlain> {
    const outcomes: (Plain | ConnectionFailure)[] = [];
    const options = {
      descriptor: this.loopback.socket(),
      to: { ip: '127.0.0.1', port },
      timeoutMs: DIAL_TIMEOUT_MS,
    };
    dial(this.reactor, options, {
      connected: (plain) => void outcomes.push(plain),
      failed: (failure) => void outcomes.push(failure),
    });
    await this.until(() => outcomes.length > 0, 'connected');
    const plain = ours(outcomes[0]);
    this.later(() => plain.reset());
    return plain;
  }

  /** A socket of Node that connects to `port`. */
  socket(port: number): Socket {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    socket.on('error', () => {});
    this.later(() => socket.destroy());
    return socket;
  }

  /** The reactor's end, accepted, and a socket of Node. */
  async connection(): Promise<{ readonly plain: ReactorPlain; readonly peer: Socket }> {
    const accepted: ReactorPlain[] = [];
    const { port, close } = this.listen((plain) => accepted.push(plain));
    const peer = this.socket(port);
    await this.until(() => accepted.length === 1 && !peer.connecting, 'connected');
    close();
    const plain = accepted[0]!;
    this.later(() => plain.reset());
    return { plain, peer };
  }

  /** Both ends the reactor's. */
  async pair(): Promise<{ readonly dialled: ReactorPlain; readonly accepted: ReactorPlain }> {
    const all: ReactorPlain[] = [];
    const { port, close } = this.listen((plain) => all.push(plain));
    const dialled = await this.dial(port);
    await this.until(() => all.length === 1, 'accepted');
    close();
    const accepted = all[0]!;
    this.later(() => accepted.reset());
    return { dialled, accepted };
  }

  /** Ends all that is there. */
  clear(): void {
    for (const undo of this.#undos.splice(0).toReversed()) undo();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.clear();
    await this.turn();
    const { taken } = this.reactor.slabs;
    this.reactor.close();
    if (taken > 0) throw new Error(`${taken} slabs were not given back`);
  }
}

/** Descriptors that this process has open. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

function ours(plain: Plain | ConnectionFailure | undefined): ReactorPlain {
  if (!(plain instanceof ReactorPlain)) throw new Error(`no connection: ${JSON.stringify(plain)}`);
  return plain;
}
