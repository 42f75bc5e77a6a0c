import type { PresentedChain } from './presented-chain.ts';
import type { KeyTries, ListProof, ListSigners, RevocationList } from './revocation-list.ts';
import { authoritiesOf } from './trust-anchors.ts';
import type { TrustBundle } from './trust-bundle.ts';

/** Keys of a peer that may be tried in vain, all lists together. While a key is replaced there is one. */
const MAX_NEW_KEYS = 4;

/** Who has signed which list, for one question about one chain: each list is proved once at most. */
export class ListProofs {
  readonly #chain: PresentedChain;
  readonly #roots: TrustBundle;
  readonly #signers = new Map<string, ListSigners>();
  readonly #proofs = new Map<RevocationList, ListProof>();
  readonly #tries: KeyTries = { failed: new Set(), max: MAX_NEW_KEYS };

  constructor(chain: PresentedChain, roots: TrustBundle) {
    this.#chain = chain;
    this.#roots = roots;
  }

  /** What the roots and the presented certificates are to the list. */
  of(list: RevocationList): ListProof {
    let proof = this.#proofs.get(list);
    if (proof === undefined) {
      proof = list.proofBy(this.signersNamed(list.issuer), this.#tries);
      this.#proofs.set(list, proof);
    }
    return proof;
  }

  /** Who may sign lists of that issuer. */
  signersNamed(issuer: string): ListSigners {
    let signers = this.#signers.get(issuer);
    if (signers === undefined) {
      const [trusted, presented] = [authoritiesOf(this.#roots), this.#chain.certificates].map((certificates) =>
        certificates.filter(({ subject }) => subject === issuer).map(({ signer }) => signer),
      );
      signers = { trusted: trusted ?? [], presented: presented ?? [] };
      this.#signers.set(issuer, signers);
    }
    return signers;
  }
}
