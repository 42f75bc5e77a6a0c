import type { Secure, TunnelPool } from '@ambientmesh/hbone';
import { isRefusal, type Refusal, RevocationLists, TrustBundle, verifyPeer } from '@ambientmesh/spiffe';
import { REVOKED } from './pod.ts';
import type { RevocationCounts } from './protocol.ts';

/** What a peer's chain is verified against. */
export interface PeerTrust {
  /** One PEM text each; read once for each array. */
  readonly rootsPem: readonly string[];
  /** What the peer is. */
  readonly usage: 'client' | 'server';
}

interface Established extends PeerTrust {
  readonly atEpochMs: number;
}

/** The revocation lists of a data thread, and what it has to know to apply new ones to running tunnels (spec hbone.md §9). */
export class Revocations {
  #lists = RevocationLists.none;
  readonly #established = new WeakMap<Secure, Established>();
  readonly #bundles = new WeakMap<readonly string[], TrustBundle>();
  readonly #now: () => number;
  #counts = { source: 0, destination: 0 };

  /** `now`: epoch milliseconds. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Replaces the lists. Throws SpiffeError (SPIFFE_CRL_INVALID), and keeps the old ones; the control thread has read them before. */
  put(file: Uint8Array): void {
    this.#lists = RevocationLists.parse(file);
  }

  /** Why a chain that is about to be used is refused; counted. The TLS library has verified it otherwise. */
  refusal(chain: readonly Uint8Array[], trust: PeerTrust): Refusal | undefined {
    const refusal = this.#verify(chain, { ...trust, atEpochMs: this.#now() });
    if (refusal !== undefined) this.#counts[trust.usage === 'client' ? 'destination' : 'source']++;
    return refusal;
  }

  /** Keeps what `hasRevoked` will need, for as long as the connection lives. */
  remember(secure: Secure, trust: PeerTrust): void {
    this.#established.set(secure, { ...trust, atEpochMs: this.#now() });
  }

  /**
   * Whether a certificate of the peer's chain has been revoked since. Judged by the time of the handshake, so that plain
   * expiry ends no connection.
   */
  hasRevoked(secure: Secure): boolean {
    const established = this.#established.get(secure);
    return (
      established !== undefined &&
      this.#lists.mentions(secure.peerChain) &&
      this.#verify(secure.peerChain, established)?.code === 'SPIFFE_PEER_REVOKED'
    );
  }

  /** Refused handshakes since the last call. */
  drain(): RevocationCounts {
    const counts = this.#counts;
    this.#counts = { source: 0, destination: 0 };
    return counts;
  }

  #verify(chain: readonly Uint8Array[], { rootsPem, usage, atEpochMs }: Established): Refusal | undefined {
    if (this.#lists.count === 0) return undefined;
    let roots = this.#bundles.get(rootsPem);
    if (roots === undefined) this.#bundles.set(rootsPem, (roots = TrustBundle.parse(rootsPem.join(''))));
    const answer = verifyPeer({ chain, roots, usage, nowEpochMs: atEpochMs, revoked: this.#lists, expect: 'anyone' });
    return isRefusal(answer) ? answer : undefined;
  }
}

/** Drops the pool's connections whose servers' certificates have been revoked; their streams fail. */
export function cutRevokedTunnels(pool: TunnelPool, revocations: Revocations): void {
  for (const connection of pool.connections)
    if (revocations.hasRevoked(connection.secure)) connection.abort({ code: 'ABORTED', message: REVOKED.message });
}
