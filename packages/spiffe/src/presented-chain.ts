import { decodeExtensions, readRevocationExtensions } from './certificate-extensions.ts';
import { type DerElement, decodeDerElements } from './der-elements.ts';
import { DerTag } from './der-tags.ts';
import { latin1, withoutLeadingZeros } from './der-values.ts';
import { type ListSigner, listSigner } from './list-signer.ts';

/** What revocation lists are asked about. Name and number: one character a byte. */
export interface ListedCertificate {
  readonly issuer: string;
  /** Without leading zeros. */
  readonly serial: string;
}

/** Of one certificate, what revocation lists are asked about and signed with. */
export interface PresentedCertificate extends ListedCertificate {
  readonly subject: string;
  readonly signer: ListSigner;
}

/**
 * The certificates that a peer has presented, as far as revocation is concerned. Read without any rule about what makes a certificate good: that was judged elsewhere, and
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

/** Issuer and number of a certificate of DER; undefined if they cannot be read. */
export function readListed(bytes: Uint8Array): ListedCertificate | undefined {
  const [serial, , issuer] = readFields(bytes);
  if (serial === undefined || issuer === undefined) return undefined;
  return { issuer: latin1(issuer.raw), serial: withoutLeadingZeros(latin1(serial.content)) };
}

function readCertificate(bytes: Uint8Array): PresentedCertificate | undefined {
  const [serial, , issuer, , subject, spki, ...rest] = readFields(bytes);
  if (serial === undefined || issuer === undefined || subject === undefined || spki === undefined) return undefined;
  return {
    issuer: latin1(issuer.raw),
    subject: latin1(subject.raw),
    serial: withoutLeadingZeros(latin1(serial.content)),
    signer: listSigner(spki.raw, readExtensions(rest.find(({ tag }) => tag === DerTag.context3))),
  };
}

/** `TBSCertificate` of any version from its number on, RFC 5280 4.1. */
function readFields(bytes: Uint8Array): DerElement[] {
  const [certificate] = decodeDerElements(bytes) ?? [];
  const [body] = inside(certificate);
  const fields = inside(body);
  if (fields[0]?.tag === DerTag.context0) fields.shift();
  return fields;
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
