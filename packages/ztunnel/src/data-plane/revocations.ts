import type { Secure, TunnelPool } from '@ambientmesh/hbone';
import { PresentedChain, type Refusal, RevocationLists, TrustBundle } from '@ambientmesh/spiffe';
import { REVOKED } from './pod.ts';
import type { RevocationCounts } from './protocol.ts';

/** Handshakes after which a list that was about nobody's authority so far is told of: every peer sends its authority. */
const HANDSHAKES_UNTIL_STRANGE = 100;

/** What a peer's revocation is judged with. */
export interface PeerTrust {
  /** One PEM text each; read once for each array. */
  readonly rootsPem: readonly string[];
  /** What the peer is. */
  readonly usage: 'client' | 'server';
}

/** The tunnel's TLS connection. */
type Peer = Pick<Secure, 'peerChain'>;

interface Established {
  readonly chain: PresentedChain;
  readonly rootsPem: readonly string[];
}

/**
 * The revocation lists of a data thread, and what it has to know to apply new ones to running tunnels (spec hbone.md §9).
 * Independent of the TLS library's way to a root: every certificate that the peer sent is looked up, so nothing that a peer
 * adds to its chain hides one. At handshakes and for running tunnels alike.
 */
export class Revocations {
  #lists = RevocationLists.none;
  /** Every tunnel, also those made before there were lists. */
  readonly #established = new WeakMap<Peer, Established>();
  readonly #bundles = new WeakMap<readonly string[], TrustBundle>();
  readonly #warn: (message: string) => void;
  #counts = { source: 0, destination: 0 };
  #handshakes = 0;
  /** Text of the lists' issuers by name, of those that no peer has been below of. */
  #strange = new Map<string, string>();

  constructor(warn: (message: string) => void = () => undefined) {
    this.#warn = warn;
  }

  /** Replaces the lists. Throws SpiffeError (SPIFFE_CRL_INVALID), and keeps the old ones; the control thread has read them before. */
  put(file: Uint8Array): void {
    this.#lists = RevocationLists.parse(file);
    this.#strange = new Map(this.#lists.issuers);
    this.#handshakes = 0;
  }

  /** Why a chain that is about to be used is refused; counted if it is for a list. The TLS library has verified it otherwise. */
  refusal(ders: readonly Uint8Array[], { rootsPem, usage }: PeerTrust): Refusal | undefined {
    if (this.#lists.count === 0) return undefined;
    const chain = PresentedChain.read(ders);
    this.#meet(chain);
    const refusal = this.#lists.problem(chain, this.#bundle(rootsPem));
    if (refusal?.code === 'SPIFFE_PEER_REVOKED' || refusal?.code === 'SPIFFE_PEER_REVOCATION_LIST')
      this.#counts[usage === 'client' ? 'destination' : 'source']++;
    return refusal;
  }

  /** Keeps what `hasRevoked` will need, for as long as the connection lives. */
  remember(secure: Peer, { rootsPem }: PeerTrust): void {
    this.#established.set(secure, { chain: PresentedChain.read(secure.peerChain), rootsPem });
  }

  /**
   * Whether the lists of now would refuse this peer. Judged by the roots of the handshake, and by no date: plain expiry ends
   * no connection.
   */
  hasRevoked(secure: Peer): boolean {
    const established = this.#established.get(secure);
    if (established === undefined || this.#lists.count === 0) return false;
    return this.#lists.problem(established.chain, this.#bundle(established.rootsPem)) !== undefined;
  }

  /** Refused handshakes since the last call. */
  drain(): RevocationCounts {
    const counts = this.#counts;
    this.#counts = { source: 0, destination: 0 };
    return counts;
  }

  #bundle(rootsPem: readonly string[]): TrustBundle {
    let roots = this.#bundles.get(rootsPem);
    if (roots === undefined) this.#bundles.set(rootsPem, (roots = TrustBundle.parse(rootsPem.join(''))));
    return roots;
  }

  /** Tells once of lists that do nothing, as their issuer's name is not quite the authority's. */
  #meet(chain: PresentedChain): void {
    if (this.#strange.size === 0) return;
    for (const { issuer } of chain.certificates) this.#strange.delete(issuer);
    if (++this.#handshakes < HANDSHAKES_UNTIL_STRANGE) return;
    for (const text of this.#strange.values())
      this.#warn(`CRL of "${text}": no peer has presented a certificate of an issuer of this name`);
    this.#strange.clear();
  }
}

/** Drops the pool's connections whose servers' certificates have been revoked, one a step; their streams fail. */
export function* cutRevokedTunnels(pool: TunnelPool, revocations: Revocations): Generator<void> {
  for (const connection of pool.connections) {
    if (revocations.hasRevoked(connection.secure)) connection.abort({ code: 'ABORTED', message: REVOKED.message });
    yield;
  }
}
