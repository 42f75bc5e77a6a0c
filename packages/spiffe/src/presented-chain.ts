import { decodeExtensions, readRevocationExtensions } from './certificate-extensions.ts';
import { type DerElement, decodeDerElements } from './der-elements.ts';
import { DerTag } from './der-tags.ts';
import { latin1, withoutLeadingZeros } from './der-values.ts';
import { type ListSigner, listSigner } from './list-signer.ts';

/** Of one certificate, what revocation lists are asked about and signed with. Names and number: one character a byte. */
export interface PresentedCertificate {
  readonly issuer: string;
  readonly subject: string;
  /** Without leading zeros. */
  readonly serial: string;
  readonly signer: ListSigner;
}

/**
 * The certificates that a peer has presented, as far as revocation is concerned; some 500 bytes each, so that it can be
 * kept for a connection's life. Read without any rule about what makes a certificate good: that was judged elsewhere, and
 * a certificate that is bad must not hide one that is revoked.
 */
export class PresentedChain {
  readonly certificates: readonly PresentedCertificate[];
  /** Each was read. */
  readonly complete: boolean;

  private constructor(certificates: readonly (PresentedCertificate | undefined)[]) {
    this.certificates = certificates.filter((certificate) => certificate !== undefined);
    this.complete = this.certificates.length === certificates.length;
  }

  /** Reads a chain of DER, in any order; keeps nothing of the bytes. Never throws. About 20 µs a certificate. */
  static read(chain: readonly Uint8Array[]): PresentedChain {
    return new PresentedChain(chain.map(readCertificate));
  }
}

/** `TBSCertificate` of any version, RFC 5280 4.1. */
function readCertificate(bytes: Uint8Array): PresentedCertificate | undefined {
  const [certificate] = decodeDerElements(bytes) ?? [];
  const [body] = inside(certificate);
  const fields = inside(body);
  if (fields[0]?.tag === DerTag.context0) fields.shift();
  const [serial, , issuer, , subject, spki, ...rest] = fields;
  if (serial === undefined || issuer === undefined || subject === undefined || spki === undefined) return undefined;
  return {
    issuer: latin1(issuer.raw),
    subject: latin1(subject.raw),
    serial: withoutLeadingZeros(latin1(serial.content)),
    signer: listSigner(spki.raw, readExtensions(rest.find(({ tag }) => tag === DerTag.context3))),
  };
}

function inside(element: DerElement | undefined): DerElement[] {
  return element === undefined ? [] : (decodeDerElements(element.content) ?? []);
}

/** Of extensions that cannot be read nothing good is believed: such a certificate signs no lists. */
function readExtensions(wrapper: DerElement | undefined): ReturnType<typeof readRevocationExtensions> {
  if (wrapper === undefined) return { keyUsage: undefined, subjectKeyId: undefined };
  try {
    return readRevocationExtensions(decodeExtensions(inside(wrapper)[0]));
  } catch {
    return { keyUsage: 0, subjectKeyId: undefined };
  }
}
