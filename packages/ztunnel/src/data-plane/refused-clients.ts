import type { ByteSink, Cancellable, Engine, Plain } from '@ambientmesh/hbone';
import type { SocketGauge } from './context.ts';

/**
 * How long a refused client gets to say its first word. Between its connect and its request it may have to wait for a
 * processor: with two busy ones 2 ms, where the refusal was quicker in 30 % of the cases, and with ten processes waiting
 * for each of them more than half a second.
 */
export const FIRST_WORD_MS = 2000;
/**
 * Refused clients that are held at a time, of all pods of a thread. At 100 in a second, far beyond what applications that
 * are merely not allowed make, each gets its whole time; and a flood leaves the descriptors to others.
 */
export const MAX_REFUSED_CLIENTS = 256;

const NOWHERE: ByteSink = { bytes: () => {} };

interface Held {
  readonly plain: Plain;
  readonly timer: Cancellable;
  readonly owner: object;
  readonly reporter: keyof SocketGauge;
}

/** For whom a client is held. */
export interface RefusedClientOf {
  /** Whose clients are let go together. */
  readonly owner: object;
  /** Where its socket is counted. */
  readonly reporter: keyof SocketGauge;
}

/**
 * Closes connections of which nothing is to be read: by RST if the client has said something or does so shortly, so that
 * it does not take the end for an empty answer; by FIN otherwise (spec hbone.md §5, policy.md §4.5). One for a data thread.
 */
export class RefusedClients {
  readonly #engine: Pick<Engine, 'after'>;
  readonly #sockets: SocketGauge;
  /** The oldest first. */
  readonly #held = new Set<Held>();

  /** Counts those that it holds in `sockets`. */
  constructor(engine: Pick<Engine, 'after'>, sockets: SocketGauge) {
    this.#engine = engine;
    this.#sockets = sockets;
  }

  /** Those that are waited for. */
  get size(): number {
    return this.#held.size;
  }

  /** Takes `plain` over. What is queued for it is sent before it ends. If too many are held, the oldest ends now. */
  hold(plain: Plain, { owner, reporter }: RefusedClientOf): void {
    if (plain.read(1, NOWHERE) !== 0) return plain.close();
    const timer = this.#engine.after(FIRST_WORD_MS, () => this.#close(held));
    const held: Held = { plain, timer, owner, reporter };
    this.#held.add(held);
    this.#sockets[reporter]++;
    plain.handler = {
      readable: () => this.#close(held),
      written: () => undefined,
      failed: () => this.#forget(held),
    };
    if (this.#held.size <= MAX_REFUSED_CLIENTS) return;
    const [oldest] = this.#held;
    if (oldest !== undefined) this.#close(oldest);
  }

  /** Closes those of `owner` now: it is gone. */
  closeOf(owner: object): void {
    for (const held of this.#held) if (held.owner === owner) this.#close(held);
  }

  #close(held: Held): void {
    this.#forget(held);
    // It resets if there are unread bytes.
    held.plain.close();
  }

  #forget(held: Held): void {
    if (!this.#held.delete(held)) return;
    held.timer.cancel();
    this.#sockets[held.reporter]--;
  }
}
