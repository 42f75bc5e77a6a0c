import type { Carrier, CarrierOwner } from './carrier.ts';
import type { TlsThread } from './tls-thread.ts';

/**
 * The end of a connection whose TLS has said its last: what is queued leaves, then FIN; what still comes is dropped, for
 * bytes left unread would turn the FIN into a RST, which can take the last words along. Cut when the peer takes nothing, or
 * has it all and does not end its side.
 */
export class Farewell implements CarrierOwner {
  readonly #tls: TlsThread;
  readonly #carrier: Carrier;
  readonly #done: () => void;
  #peerEnded: boolean;
  #lingering = false;
  #over = false;
  #timer: { cancel(): void } | undefined;

  /** `done` is called once, at the end of a turn. */
  constructor(tls: TlsThread, carrier: Carrier, peerEnded: boolean, done: () => void) {
    this.#tls = tls;
    this.#carrier = carrier;
    this.#peerEnded = peerEnded;
    this.#done = done;
    carrier.owner = this;
    carrier.end();
    carrier.watch(!peerEnded);
    this.#wait();
  }

  readable(): void {
    if (!this.#carrier.drop()) return;
    this.#peerEnded = true;
    this.#carrier.watch(false);
    // The timer goes on: a peer that has ended its side may still not read the rest of ours.
    if (this.#carrier.queued === 0) this.#finish();
  }

  sent(): void {
    this.#wait();
  }

  lost(): void {
    this.#finish();
  }

  /** Cuts at once. Idempotent. */
  cut(): void {
    if (this.#over) return;
    // A peer that takes nothing would keep the kernel's memory for minutes.
    if (this.#carrier.queued > 0) this.#carrier.reset();
    else this.#carrier.cut();
    this.#finish();
  }

  #wait(): void {
    const { closeLingerMs, closeStalledMs } = this.#tls.closeLimits;
    const allSent = this.#carrier.queued === 0;
    if (allSent && this.#peerEnded) return this.#finish();
    if (this.#over || (allSent && this.#lingering)) return;
    this.#lingering = allSent;
    this.#timer?.cancel();
    this.#timer = this.#tls.reactor.after(allSent ? closeLingerMs : closeStalledMs, () =>
      allSent ? this.#finish() : this.cut(),
    );
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.#carrier.close();
    this.#tls.reactor.atEndOfTurn(this.#done);
  }
}
