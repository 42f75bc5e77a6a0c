import type { KeyObject } from 'node:crypto';
import { type CertificateExtensions, decodeCertificateExtensions, emptyExtensions } from './certificate-extensions.ts';
import { type DerElement, decodeDerElements, decodeOnlyElement } from './der-elements.ts';
import { DerTag } from './der-tags.ts';
import {
  childrenOf,
  decodeName,
  decodeSerial,
  decodeSmallNumber,
  decodeTime,
  decodeUnsigned,
  decodeWholeBits,
  hex,
  latin1,
  malformed,
} from './der-values.ts';
import { type ConstrainedNames, NameKind } from './name-constraints.ts';
import {
  importPublicKey,
  isWellFormedPoint,
  type KeyKind,
  keyKindOf,
  type SignatureScheme,
  signatureSchemeOf,
} from './signature-scheme.ts';

/** Something that an authority signed: its body, and how. */
export interface SignedBody {
  readonly signed: Uint8Array;
  /** Undefined for weak and unknown algorithms. */
  readonly scheme: SignatureScheme | undefined;
  readonly signature: Uint8Array;
}

/** X.509 v3, version 2 on the wire. */
const VERSION_3 = 2;
/** The one that stands nowhere. */
const VERSION_1 = 0;
/** DER of a sequence of nothing. */
const EMPTY_NAME = '\x30\x00';
/** DER of 1.2.840.113549.1.9.1, emailAddress: constraints on mail addresses are about it, too. */
const EMAIL_ATTRIBUTE = '\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01';
const MIN_RSA_BITS = 2_048;
/** As the reference; larger ones cost a peer's verifier more than they are worth. */
const MAX_RSA_BITS = 8_192;

/** A certificate read from its bytes, strictly; nothing of it is verified. Holds a copy of the bytes. */
export class Certificate implements SignedBody {
  /** The whole. */
  readonly raw: Uint8Array;
  readonly signed: Uint8Array;
  readonly scheme: SignatureScheme | undefined;
  readonly signature: Uint8Array;
  /** The bytes of the number, one character a byte. */
  readonly serial: string;
  /** The bytes of the name, one character a byte. */
  readonly issuer: string;
  /** The bytes of the name, one character a byte. */
  readonly subject: string;
  readonly notBeforeEpochMs: number;
  /** The last second is part of the lifetime. */
  readonly notAfterEpochMs: number;
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** Undefined for weak and unknown keys. */
  readonly keyKind: KeyKind | undefined;
  readonly extensions: CertificateExtensions;
  /** Trusted as it is: its name and its key count (RFC 5280 6.1.1 (d)), and dates, uses and constraints, if it has any. */
  readonly anchor: boolean;
  /** Null if OpenSSL refuses it, undefined before the first use. */
  #publicKey: KeyObject | null | undefined;
  #text: string | undefined;

  /**
   * Throws SPIFFE_CERTIFICATE_INVALID for what is no certificate of version 3 in DER. An anchor may also be of version 1,
   * which makes it an authority, and have any serial number.
   */
  constructor(der: Uint8Array, role: 'presented' | 'anchor' = 'presented') {
    this.anchor = role === 'anchor';
    const bytes = new Uint8Array(der);
    this.raw = bytes;
    const { body, ...signature } = decodeSigned(bytes);
    this.signed = signature.signed;
    this.scheme = signature.scheme;
    this.signature = signature.signature;
    const { version, fields } = readVersion(body, this.anchor);
    const [serial, algorithm, issuer, validity, subject, spki, ...rest] = fields;
    this.serial = this.anchor ? latin1(serial?.content ?? new Uint8Array()) : decodeSerial(serial);
    // RFC 5280 4.1.1.2: the algorithm stands inside of what is signed, too.
    if (algorithm === undefined || hex(algorithm.raw) !== signature.algorithm)
      throw malformed('two signature algorithms');
    this.issuer = decodeName(issuer);
    const [notBefore, notAfter, ...more] = childrenOf(validity, DerTag.sequence, 'validity');
    if (more.length > 0) throw malformed('validity');
    this.notBeforeEpochMs = decodeTime(notBefore);
    this.notAfterEpochMs = decodeTime(notAfter);
    this.subject = decodeName(subject);
    this.spki = spki?.raw ?? new Uint8Array();
    this.keyKind = decodeKeyKind(spki);
    this.extensions = version === VERSION_1 ? { ...emptyExtensions(), authority: true } : readExtensions(rest);
  }

  /** Read on first use; undefined for a key that is not accepted. */
  get publicKey(): KeyObject | undefined {
    if (this.#publicKey === undefined)
      this.#publicKey = (this.keyKind === undefined ? undefined : importPublicKey(this.spki)) ?? null;
    return this.#publicKey ?? undefined;
  }

  /** The whole certificate, one character a byte: what it is known by. */
  get text(): string {
    this.#text ??= latin1(this.raw);
    return this.#text;
  }

  /** What name constraints are about: the names of subjectAltName, and the subject's. */
  get names(): ConstrainedNames {
    const { uriNames, nameKinds } = this.extensions;
    if (this.subject === EMPTY_NAME) return { uriNames, kinds: nameKinds };
    const mail = this.subject.includes(EMAIL_ATTRIBUTE) ? [NameKind.email] : [];
    return { uriNames, kinds: new Set([...nameKinds, NameKind.directory, ...mail]) };
  }

  /** Issued by a key of the same name: a root, or a new key of an authority (RFC 5280 3.2). */
  get selfIssued(): boolean {
    return this.subject === this.issuer;
  }
}

/** What {@link decodeSigned} finds. */
export interface DecodedSigned extends SignedBody {
  /** The elements of the body. */
  readonly body: readonly DerElement[];
  /** AlgorithmIdentifier in hexadecimal. */
  readonly algorithm: string;
}

/** Takes body, algorithm and signature apart, of a certificate or a revocation list. Throws SPIFFE_CERTIFICATE_INVALID. */
export function decodeSigned(bytes: Uint8Array): DecodedSigned {
  const [body, algorithm, signature, ...rest] = childrenOf(
    decodeOnlyElement(bytes, DerTag.sequence),
    DerTag.sequence,
    'outer sequence',
  );
  if (body === undefined || algorithm === undefined || rest.length > 0) throw malformed('outer sequence');
  return {
    body: childrenOf(body, DerTag.sequence, 'body'),
    signed: body.raw,
    algorithm: hex(algorithm.raw),
    scheme: signatureSchemeOf(hex(algorithm.raw)),
    signature: decodeWholeBits(signature, 'signature'),
  };
}

/** The version, and the fields behind it. Throws. */
function readVersion(
  body: readonly DerElement[],
  anchor: boolean,
): { readonly version: number; readonly fields: readonly DerElement[] } {
  const [first, ...fields] = body;
  if (anchor && first?.tag === DerTag.integer) return { version: VERSION_1, fields: body };
  const [number] = childrenOf(first, DerTag.context0, 'version');
  if (decodeSmallNumber(number, 'version') !== VERSION_3) throw malformed('not of version 3');
  return { version: VERSION_3, fields };
}

/** What follows the key. Throws. */
function readExtensions(rest: readonly DerElement[]): CertificateExtensions {
  // Unique identifiers, [1] and [2], are forbidden by RFC 5280 4.1.2.8: nothing but extensions may follow.
  if (rest.length !== 1) throw malformed('extensions');
  const [extensions, ...others] = childrenOf(rest[0], DerTag.context3, 'extensions');
  if (others.length > 0) throw malformed('extensions');
  return decodeCertificateExtensions(extensions);
}

/** Undefined for a kind or a size that is not accepted. Throws if malformed. */
function decodeKeyKind(spki: DerElement | undefined): KeyKind | undefined {
  const [algorithm, bits, ...rest] = childrenOf(spki, DerTag.sequence, 'public key');
  if (algorithm === undefined || rest.length > 0) throw malformed('public key');
  const key = decodeWholeBits(bits, 'public key');
  const kind = keyKindOf(hex(algorithm.raw));
  if (kind === undefined) return undefined;
  const accepted = kind === 'RSA' ? isStrongRsaKey(key) : isWellFormedPoint(kind, key);
  return accepted ? kind : undefined;
}

/** `RSAPublicKey`, RFC 8017 A.1.1. */
function isStrongRsaKey(key: Uint8Array): boolean {
  const parts = decodeDerElements(decodeOnlyElement(key, DerTag.sequence)?.content ?? new Uint8Array());
  const modulus = decodeUnsigned(parts?.[0], 'modulus');
  const exponent = decodeSmallNumber(parts?.[1], 'exponent');
  if (parts?.length !== 2) throw malformed('RSA key');
  const magnitude = modulus[0] === 0 ? modulus.subarray(1) : modulus;
  const bits = magnitude.length * 8 - Math.clz32(magnitude[0] ?? 0) + 24;
  return bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS && exponent >= 3 && exponent % 2 === 1;
}
