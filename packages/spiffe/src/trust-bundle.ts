import type { X509Certificate } from 'node:crypto';
import { SpiffeError } from './errors.ts';
import { readPemCertificates } from './pem-blocks.ts';

/** Root certificates that are trusted together. Immutable. */
export class TrustBundle {
  /** PEM texts in the order read, each root once. */
  readonly roots: readonly string[];
  /** Why parts of the text were left out; worth a warning in the log. */
  readonly skipped: readonly string[];

  private constructor(roots: readonly string[], skipped: readonly string[]) {
    this.roots = roots;
    this.skipped = skipped;
  }

  /** Reads all roots of a PEM text. Blocks that are no certificate are skipped; throws SPIFFE_ROOT_MISSING if none is left. */
  static parse(pemText: string): TrustBundle {
    const { certificates, skipped } = readPemCertificates(pemText);
    if (certificates.length === 0) {
      const why = skipped.length > 0 ? ` (${skipped.join('; ')})` : '';
      throw new SpiffeError('SPIFFE_ROOT_MISSING', `invalid root certificate: no root certificate present${why}`);
    }
    return new TrustBundle(distinct(certificates.map(canonicalPem)), skipped);
  }

  /** The roots of both, these first. */
  join(other: TrustBundle): TrustBundle {
    return new TrustBundle(distinct([...this.roots, ...other.roots]), [...this.skipped, ...other.skipped]);
  }

  /** All roots as one PEM text. */
  get pem(): string {
    return this.roots.join('');
  }
}

/** One certificate as PEM with a line break at the end, whatever the layout it was read from. */
export function canonicalPem(certificate: X509Certificate): string {
  return certificate.toString();
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
