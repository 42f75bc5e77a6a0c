import { X509Certificate } from 'node:crypto';
import { Certificate } from './certificate.ts';
import { latin1 } from './der-values.ts';
import { type PresentedCertificate, PresentedChain } from './presented-chain.ts';
import type { TrustBundle } from './trust-bundle.ts';

/** A mesh has one or two intermediates at a time; more than these are verified anew each time. */
const MAX_REMEMBERED = 64;

interface Remembered {
  readonly certificate: Certificate;
  readonly issuer: Certificate;
}

/** Roots ready to verify chains, with the intermediates that they have verified before. */
export class TrustAnchors {
  readonly #bySubject = new Map<string, Certificate[]>();
  /** By their bytes; the oldest is dropped first. Only what a root has signed comes in here: a stranger cannot fill it. */
  readonly #remembered = new Map<string, Remembered>();

  constructor(roots: readonly Certificate[]) {
    for (const root of roots) {
      const others = this.#bySubject.get(root.subject);
      if (others === undefined) this.#bySubject.set(root.subject, [root]);
      else others.push(root);
    }
  }

  /** The roots of that name; several while a root's key is being replaced. */
  named(subject: string): readonly Certificate[] {
    return this.#bySubject.get(subject) ?? [];
  }

  /** Reads a certificate of a chain, or gives the one that was read and verified before. Throws SPIFFE_CERTIFICATE_INVALID. */
  intermediate(der: Uint8Array): Certificate {
    return this.#remembered.get(latin1(der))?.certificate ?? new Certificate(der);
  }

  /** Whether `issuer`'s signature on `certificate` was verified before, on the way to a root. */
  hasVerified(certificate: Certificate, issuer: Certificate): boolean {
    const known = this.#remembered.get(certificate.text);
    return known?.certificate === certificate && known.issuer === issuer;
  }

  /** Keeps an intermediate that was verified up to a root. */
  remember(certificate: Certificate, issuer: Certificate): void {
    if (this.#remembered.size >= MAX_REMEMBERED)
      for (const oldest of this.#remembered.keys()) {
        this.#remembered.delete(oldest);
        break;
      }
    this.#remembered.set(certificate.text, { certificate, issuer });
  }
}

const anchorsOfBundles = new WeakMap<TrustBundle, TrustAnchors>();

/**
 * The roots of a bundle, read on first use. Those that are malformed are left out: they verify nobody.
 */
export function trustAnchorsOf(bundle: TrustBundle): TrustAnchors {
  let anchors = anchorsOfBundles.get(bundle);
  if (anchors === undefined) {
    anchors = new TrustAnchors(bundle.roots.map(readRoot).filter((root) => root !== undefined));
    anchorsOfBundles.set(bundle, anchors);
  }
  return anchors;
}

const authoritiesOfBundles = new WeakMap<TrustBundle, readonly PresentedCertificate[]>();

/** The roots of a bundle as signers of revocation lists, also those that are too odd to verify anybody; read on first use. */
export function authoritiesOf(bundle: TrustBundle): readonly PresentedCertificate[] {
  let authorities = authoritiesOfBundles.get(bundle);
  if (authorities === undefined) {
    authorities = PresentedChain.read(bundle.roots.map((pem) => new X509Certificate(pem).raw)).certificates;
    authoritiesOfBundles.set(bundle, authorities);
  }
  return authorities;
}

function readRoot(pem: string): Certificate | undefined {
  try {
    return new Certificate(new X509Certificate(pem).raw, 'anchor');
  } catch {
    return undefined;
  }
}
