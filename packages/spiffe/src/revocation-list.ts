import { decodeSigned, type SignedBody } from './certificate.ts';
import { decodeExtensions, type Extension } from './certificate-extensions.ts';
import { type DerElement, decodeOnlyElement } from './der-elements.ts';
import { DerTag } from './der-tags.ts';
import { childrenOf, decodeName, decodeSmallNumber, decodeTime, hex, malformed } from './der-values.ts';
import { SpiffeError } from './errors.ts';
import type { ListSigner } from './list-signer.ts';
import { isTime, readRevocationEntries } from './revocation-entries.ts';
import type { SerialSet } from './serial-set.ts';
import { fitsKey, importPublicKey, type SignatureScheme, verifiesSignature } from './signature-scheme.ts';

/** X.509 CRL v2, 1 on the wire. */
const VERSION_2 = 1;
/** `[0] IMPLICIT KeyIdentifier` of authorityKeyIdentifier. */
const KEY_IDENTIFIER = 0x80;
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35';
const CRL_NUMBER = '2.5.29.20';
const DELTA = '2.5.29.27';
const ISSUING_DISTRIBUTION_POINT = '2.5.29.28';
/** `[4] indirectCRL` and `[5] onlyContainsAttributeCerts` of issuingDistributionPoint, RFC 5280 5.2.5. */
const INDIRECT = 0x84;
const ONLY_ATTRIBUTES = 0x85;
/** Keys that did not sign, so that each is tried once; a peer can make as many as it likes. */
const MAX_FOREIGN_KEYS = 64;

/** Who may have signed a list; all are of its issuer's name. */
export interface ListSigners {
  /** Roots, and authorities that were verified: there are few. */
  readonly trusted: readonly ListSigner[];
  /** Keys of whatever certificates a peer has presented. */
  readonly presented: readonly ListSigner[];
}

/** Presented keys that were tried and had not signed, and how many there may be. A try hashes a whole list. */
export interface KeyTries {
  readonly failed: Set<string>;
  readonly max: number;
}

/** How a list stands to those who may have signed it: one did; one would have had to; or it is about another key. */
export type ListProof = 'signed' | 'unsigned' | 'not-allowed' | 'other-key';

/** The certificates that one authority has revoked. Its dates are read by nobody: an old list is better than none. */
export class RevocationList implements SignedBody {
  /** Bytes of the name, one character a byte. */
  readonly issuer: string;
  /** Hexadecimal; which of the issuer's keys signed. */
  readonly authorityKeyId: string | undefined;
  /** Why it says nothing about any certificate (RFC 5280 5.2, 5.3); undefined if it does. */
  readonly unusable: string | undefined;
  readonly signed: Uint8Array;
  readonly scheme: SignatureScheme | undefined;
  readonly signature: Uint8Array;
  readonly #serials: SerialSet;
  /** By SubjectPublicKeyInfo: who signed. */
  readonly #signers = new Set<string>();
  readonly #foreign = new Set<string>();

  /** Reads DER, and keeps it. Throws SPIFFE_CRL_INVALID for what is malformed. */
  constructor(der: Uint8Array) {
    try {
      const { body, ...signature } = decodeSigned(der);
      this.signed = signature.signed;
      this.scheme = signature.scheme;
      this.signature = signature.signature;
      const read = readBody(body, signature.algorithm);
      this.issuer = read.issuer;
      this.authorityKeyId = readAuthorityKeyId(read.extensions);
      const { serials, unusable } = readRevocationEntries(read.entries);
      this.#serials = serials;
      this.unusable = read.unusable ?? scopeProblem(read.extensions) ?? unusable;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message.replace('malformed certificate: ', '') : String(cause);
      throw new SpiffeError('SPIFFE_CRL_INVALID', `revocation list cannot be read: ${why}`, { cause });
    }
  }

  /** How many certificates are revoked. */
  get size(): number {
    return this.#serials.size;
  }

  /** Whether the number (bytes, one character each, no leading zeros) is listed. */
  lists(serial: string): boolean {
    return this.#serials.has(Buffer.from(serial, 'latin1'));
  }

  /** Whether the key of one of them is known, from before, to have signed: costs nothing. */
  isKnownToBeSignedBy({ trusted, presented }: ListSigners): boolean {
    const signed = ({ mayRevoke, spki }: ListSigner): boolean => mayRevoke && this.#signers.has(spki);
    return trusted.some(signed) || presented.some(signed);
  }

  /** What `signers` are to this list. Once no try is left, a presented key that is new counts as one that did not sign. */
  proofBy(signers: ListSigners, tries: KeyTries): ListProof {
    if (this.isKnownToBeSignedBy(signers)) return 'signed';
    const isUntried = ({ mayRevoke, spki }: ListSigner): boolean => mayRevoke && !this.#foreign.has(spki);
    // The signature goes before the identifier: there are lists whose identifier is not the one of their signer's
    // certificate. A stranger's key is not worth that.
    for (const signer of signers.trusted) if (isUntried(signer) && this.#isSignedBy(signer.spki)) return 'signed';
    for (const signer of signers.presented) {
      if (!isUntried(signer) || this.#isOfAnother(signer)) continue;
      // One that failed on another list of this name may well have signed this one: it counts once.
      if (tries.failed.size >= tries.max && !tries.failed.has(signer.spki)) continue;
      if (this.#isSignedBy(signer.spki)) return 'signed';
      tries.failed.add(signer.spki);
    }
    const all = [...signers.trusted, ...signers.presented];
    if (all.length > 0 && all.every((signer) => this.#isOfAnother(signer))) return 'other-key';
    return all.length > 0 && !all.some(({ mayRevoke }) => mayRevoke) ? 'not-allowed' : 'unsigned';
  }

  #isOfAnother({ subjectKeyId }: ListSigner): boolean {
    return this.authorityKeyId !== undefined && subjectKeyId !== undefined && this.authorityKeyId !== subjectKeyId;
  }

  #isSignedBy(spki: string): boolean {
    const { scheme, signed, signature } = this;
    const key = importPublicKey(Buffer.from(spki, 'latin1'));
    const verified =
      key !== undefined &&
      scheme !== undefined &&
      fitsKey(key, scheme) &&
      verifiesSignature(key, scheme, signed, signature);
    if (verified) this.#signers.add(spki);
    else this.#rememberForeign(spki);
    return verified;
  }

  /** In place of the oldest: a peer that fills the memory must not keep later keys out of it. */
  #rememberForeign(spki: string): void {
    const [oldest] = this.#foreign;
    if (this.#foreign.size >= MAX_FOREIGN_KEYS && oldest !== undefined) this.#foreign.delete(oldest);
    this.#foreign.add(spki);
  }
}

interface ListBody {
  readonly issuer: string;
  readonly entries: DerElement | undefined;
  readonly extensions: readonly Extension[];
  readonly unusable: string | undefined;
}

/** `TBSCertList`, RFC 5280 5.1.2. */
function readBody(body: readonly DerElement[], algorithm: string): ListBody {
  const rest = [...body];
  let unusable: string | undefined;
  if (rest[0]?.tag === DerTag.integer && decodeSmallNumber(rest.shift(), 'version') !== VERSION_2)
    unusable = 'its version is unknown';
  const inner = rest.shift();
  if (inner?.tag !== DerTag.sequence) throw malformed('algorithm');
  if (hex(inner.raw) !== algorithm) unusable ??= 'it has two signature algorithms';
  const issuer = decodeName(rest.shift());
  decodeTime(rest.shift());
  if (isTime(rest[0])) decodeTime(rest.shift());
  const entries = rest[0]?.tag === DerTag.sequence ? rest.shift() : undefined;
  return { issuer, entries, extensions: readWrappedExtensions(rest), unusable };
}

/** What is left of a body: nothing, or extensions. */
function readWrappedExtensions(rest: readonly DerElement[]): Extension[] {
  const [wrapper, ...more] = rest;
  if (wrapper === undefined) return [];
  if (more.length > 0 || wrapper.tag !== DerTag.context0) throw malformed('more than a list has');
  return decodeExtensions(decodeOnlyElement(wrapper.content, DerTag.sequence));
}

/**
 * What makes the entries say something else than that a certificate of this issuer is revoked. A list for some of the
 * certificates or reasons only does say that; it is merely silent about the rest, as any list that is not there.
 */
function scopeProblem(extensions: readonly Extension[]): string | undefined {
  for (const { id, critical, value } of extensions) {
    if (id === DELTA) return 'it is a delta list';
    if (id === ISSUING_DISTRIBUTION_POINT) {
      const parts = childrenOf(decodeOnlyElement(value, DerTag.sequence), DerTag.sequence, 'issuingDistributionPoint');
      const on = (wanted: number): boolean => parts.some(({ tag, content }) => tag === wanted && content[0] !== 0);
      if (on(INDIRECT)) return 'it is an indirect list';
      if (on(ONLY_ATTRIBUTES)) return 'it is about attribute certificates';
    } else if (critical && id !== AUTHORITY_KEY_IDENTIFIER && id !== CRL_NUMBER) {
      return `its critical extension ${id} is unknown`;
    }
  }
  return undefined;
}

function readAuthorityKeyId(extensions: readonly Extension[]): string | undefined {
  const value = extensions.find(({ id }) => id === AUTHORITY_KEY_IDENTIFIER)?.value;
  if (value === undefined) return undefined;
  const parts = childrenOf(decodeOnlyElement(value, DerTag.sequence), DerTag.sequence, 'authorityKeyIdentifier');
  const id = parts.find(({ tag }) => tag === KEY_IDENTIFIER);
  return id && hex(id.content);
}
