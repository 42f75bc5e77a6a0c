import type { Secure } from '@ambientmesh/hbone';
import { PresentedChain, type Refusal, RevocationLists, TrustBundle } from '@ambientmesh/spiffe';
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

/**
 * The revocation lists of a data thread, and what it has to know to apply new ones to running tunnels (spec hbone.md §9).
 * Independent of the TLS library's way to a root: every certificate that the peer sent is looked up, so nothing that a peer
 * adds to its chain hides one. At handshakes and for running tunnels alike.
 */
export class Revocations {
  #lists = RevocationLists.none;
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
    if (refusal?.code === 'SPIFFE_PEER_REVOKED' || refusal?.code === 'SPIFFE_PEER_REVOCATION_LIST') this.#count(usage);
    return refusal;
  }

  /**
   * Whether a tunnel must end before it runs, as new lists have come since `refusal` was asked about its peer; counted as a
   * refused handshake.
   */
  refusesMeanwhile(secure: Peer, usage: PeerTrust['usage']): boolean {
    const revoked = this.hasRevoked(secure);
    if (revoked) this.#count(usage);
    return revoked;
  }

  /**
   * Whether a list of its issuer lists any certificate of this peer. For nothing else does a running tunnel end, such as a
   * list that is broken but does not list the peer, or plain expiry. Nothing is kept for it: the chain is read when asked.
   */
  hasRevoked(secure: Peer): boolean {
    return this.#lists.count > 0 && this.#lists.listsAny(secure.peerChain);
  }

  /** Refused handshakes since the last call. */
  drain(): RevocationCounts {
    const counts = this.#counts;
    this.#counts = { source: 0, destination: 0 };
    return counts;
  }

  #count(usage: PeerTrust['usage']): void {
    this.#counts[usage === 'client' ? 'destination' : 'source']++;
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
