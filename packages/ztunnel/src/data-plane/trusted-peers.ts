import { hash } from 'node:crypto';
import type { Secure } from '@ambientmesh/hbone';
import { isRefusal, SpiffeError, TrustBundle, verifyPeer } from '@ambientmesh/spiffe';
import type { PeerTrust } from './revocations.ts';

/**
 * Chains whose answer is kept for each set of roots: a node proxy shows the same one on many tunnels, and a verification takes
 * 0.1 to 0.2 ms.
 */
const MAX_KNOWN_CHAINS = 4_096;

/** Roots, and whether chains led to one of them. */
interface KnownChains {
  /** Undefined: none of them can be read, and none leads there. */
  readonly bundle: TrustBundle | undefined;
  /** By usage and SHA-256 of the certificates. */
  readonly leads: Map<string, boolean>;
}

/** By what a peer was let in. */
export interface Admission extends PeerTrust {
  /** The own one, `spiffe://…`: whose roots they were. */
  readonly identity: string;
}

/** Remembers by which roots peers were let in, and tells whose chain leads to none of the roots of now. */
export class TrustedPeers {
  readonly #rootsOf: (identity: string) => readonly string[] | undefined;
  readonly #admissions = new WeakMap<object, Admission>();
  readonly #known = new WeakMap<readonly string[], KnownChains>();

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
    const known = this.#knownChains(rootsPem);
    const key = usage + chain.map((der) => hash('sha256', der, 'base64')).join('');
    let leads = known.leads.get(key);
    if (leads === undefined) {
      leads = known.bundle !== undefined && leadsTo(known.bundle, chain, usage);
      if (known.leads.size < MAX_KNOWN_CHAINS) known.leads.set(key, leads);
    }
    return leads;
  }

  #knownChains(rootsPem: readonly string[]): KnownChains {
    let known = this.#known.get(rootsPem);
    if (known === undefined) {
      known = { bundle: readBundle(rootsPem), leads: new Map() };
      this.#known.set(rootsPem, known);
    }
    return known;
  }
}

function leadsTo(roots: TrustBundle, chain: readonly Uint8Array[], usage: PeerTrust['usage']): boolean {
  // Both ends of the lifetime are that far away.
  const dates = { nowEpochMs: 0, clockSkewMs: Number.POSITIVE_INFINITY };
  return !isRefusal(verifyPeer({ chain, roots, usage, ...dates, expect: 'anyone' }));
}

function readBundle(rootsPem: readonly string[]): TrustBundle | undefined {
  try {
    return TrustBundle.parse(rootsPem.join(''));
  } catch (error) {
    if (error instanceof SpiffeError) return undefined;
    throw error;
  }
}
