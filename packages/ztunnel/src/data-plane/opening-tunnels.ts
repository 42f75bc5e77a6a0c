/**
 * Tunnels to one pod, on one thread, that may be on their way at a time. Far more than a pod's peers open at once, and
 * few enough that unfinished handshakes to one pod do not take the descriptors of all others.
 */
export const MAX_OPENING_TUNNELS = 1024;

/** A tunnel that is not established yet. */
interface Opening {
  /** Another one takes its place. */
  giveWay(): void;
}

/** Bounds what peers can start and not finish. The oldest gives way: a healthy handshake takes milliseconds. */
export class OpeningTunnels {
  readonly #tunnels = new Set<Opening>();

  add(tunnel: Opening): void {
    this.#tunnels.add(tunnel);
    if (this.#tunnels.size <= MAX_OPENING_TUNNELS) return;
    const [oldest] = this.#tunnels;
    oldest?.giveWay();
  }

  /** It is established, or has ended. */
  delete(tunnel: Opening): void {
    this.#tunnels.delete(tunnel);
  }
}
