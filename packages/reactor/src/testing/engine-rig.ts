import { readdirSync } from 'node:fs';
import type { Plain } from '@ambientmesh/hbone';
import type { ReactorEngine } from '../engine.ts';
import { Arena } from '../memory/arena.ts';
import { Loopback } from '../native/loopback.ts';
import { SystemCalls } from '../native/system-calls.ts';
import { readSocketAddress } from '../sockets/socket-address.ts';

const ARENA_BYTES = 65_536;
/** Of a machine that does much else. */
const DEADLINE_MS = 60_000;
const DIAL_TIMEOUT_MS = 30_000;

/** An engine that takes its turns between those of Node's event loop. For tests. */
export class EngineRig implements AsyncDisposable {
  readonly engine: ReactorEngine;
  /** Not the engine's: descriptors come to an engine from outside. */
  readonly #arena = new Arena(ARENA_BYTES);
  readonly #loopback = new Loopback(this.#arena, new SystemCalls(this.#arena));

  constructor(engine: ReactorEngine) {
    this.engine = engine;
  }

  async turn(): Promise<void> {
    this.engine.turn(0);
    await new Promise(setImmediate);
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
      await this.turn();
    }
  }

  listen(accepted: (plain: Plain) => void): { readonly port: number; readonly close: () => void } {
    const descriptor = this.#loopback.listen();
    const { port } = readSocketAddress(this.#arena, this.#loopback.address);
    const listening = this.engine.listen(descriptor, {
      accepted,
      failed: ({ message }) => {
        throw new Error(message);
      },
    });
    return { port, close: () => listening.close() };
  }

  async dial(port: number): Promise<Plain> {
    let plain: Plain | undefined;
    const options = { descriptor: this.#loopback.socket(), to: { ip: '127.0.0.1', port }, timeoutMs: DIAL_TIMEOUT_MS };
    this.engine.connect(options, {
      connected: (connected) => (plain = connected),
      failed: ({ message }) => {
        throw new Error(message);
      },
    });
    await this.until(() => plain !== undefined, 'connected');
    return plain!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.turn();
    this.engine.close();
    this.#arena.close();
  }
}

/** Descriptors that this process has open. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
