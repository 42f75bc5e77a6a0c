/** How long a TLS connection that is closing waits for its peer. */
export interface CloseLimits {
  /** Milliseconds for the peer to end its side once all was sent; then the socket is cut. */
  readonly closeLingerMs: number;
  /** Milliseconds in which a peer may take nothing of what is queued; then the socket is cut. */
  readonly closeStalledMs: number;
}

/** A round trip and then some; and half a minute for a peer whose reader stands still. */
export const CLOSE_LIMITS: CloseLimits = { closeLingerMs: 2000, closeStalledMs: 30_000 };
