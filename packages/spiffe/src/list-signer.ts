import { KeyUsage } from './certificate-extensions.ts';
import { latin1 } from './der-values.ts';

/** What a revocation list's signature is held against: a key, and what its certificate says about it. */
export interface ListSigner {
  /** SubjectPublicKeyInfo, one character a byte. */
  readonly spki: string;
  /** keyUsage is absent or has cRLSign (RFC 5280 6.3.3 (f)). */
  readonly mayRevoke: boolean;
  /** Hexadecimal. */
  readonly subjectKeyId: string | undefined;
}

/** What a certificate's key is as a signer of lists. */
export function listSigner(
  spki: Uint8Array,
  extensions: { readonly keyUsage: number | undefined; readonly subjectKeyId: string | undefined },
): ListSigner {
  const { keyUsage, subjectKeyId } = extensions;
  return {
    spki: latin1(spki),
    mayRevoke: keyUsage === undefined || (keyUsage & KeyUsage.crlSign) !== 0,
    subjectKeyId,
  };
}
