import type { Secure } from '@ambientmesh/hbone';
import { isRefusal, TrustBundle, verifyPeer } from '@ambientmesh/spiffe';
import type { PeerTrust } from './revocations.ts';

/** By what a peer was let in. */
export interface Admission extends PeerTrust {
  /** The own one, `spiffe://…`: whose roots they were. */
  readonly identity: string;
}

/** Remembers by which roots peers were let in, and tells whose chain leads to none of the roots of now. */
export class TrustedPeers {
  readonly #rootsOf: (identity: string) => readonly string[] | undefined;
  readonly #admissions = new WeakMap<object, Admission>();
  readonly #bundles = new WeakMap<readonly string[], TrustBundle | undefined>();

  /** `rootsOf`: the roots held with an identity's certificate; the same array for as long as that is held. */
  constructor(rootsOf: (identity: string) => readonly string[] | undefined) {
    this.#rootsOf = rootsOf;
  }

  /** `secure`'s peer was verified. Nothing is kept of a connection that is gone. */
  admitted(secure: object, admission: Admission): void {
    this.#admissions.set(secure, admission);
  }

  /**
   * Whether the roots have changed since the peer was let in and its chain leads to none of them. Its dates do not count.
   * An identity without a certificate has no roots that could have changed.
   */
  hasLost(secure: Pick<Secure, 'peerChain'>): boolean {
    const admission = this.#admissions.get(secure);
    if (admission === undefined) return false;
    const rootsPem = this.#rootsOf(admission.identity);
    if (rootsPem === undefined || rootsPem === admission.rootsPem) return false;
    if (
      !admission.rootsPem.every((root) => rootsPem.includes(root)) &&
      !this.#leads(secure.peerChain, admission, rootsPem)
    )
      return true;
    this.#admissions.set(secure, { ...admission, rootsPem });
    return false;
  }

  #leads(chain: readonly Uint8Array[], { usage }: Admission, rootsPem: readonly string[]): boolean {
    const roots = this.#bundle(rootsPem);
    if (roots === undefined) return false;
    // Both ends of the lifetime are that far away.
    const dates = { nowEpochMs: 0, clockSkewMs: Number.POSITIVE_INFINITY };
    return !isRefusal(verifyPeer({ chain, roots, usage, ...dates, expect: 'anyone' }));
  }

  #bundle(rootsPem: readonly string[]): TrustBundle | undefined {
    let roots = this.#bundles.get(rootsPem);
    if (roots === undefined) this.#bundles.set(rootsPem, (roots = TrustBundle.parse(rootsPem.join(''))));
    return roots;
  }
}
