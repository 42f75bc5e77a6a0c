import type { Certificate } from './certificate.ts';
import { decodeSigned, type SignedBody } from './certificate.ts';
import { decodeExtensions, type Extension, KeyUsage } from './certificate-extensions.ts';
import { DerCursor, type DerElement, decodeDerElements, decodeOnlyElement } from './der-elements.ts';
import { DerTag } from './der-tags.ts';
import {
  childrenOf,
  decodeName,
  decodeSmallNumber,
  decodeTime,
  hex,
  latin1,
  MAX_SERIAL_BYTES,
  malformed,
} from './der-values.ts';
import { SpiffeError } from './errors.ts';
import { SerialSet } from './serial-set.ts';
import { fitsScheme, type SignatureScheme, verifiesSignature } from './signature-scheme.ts';

/** An entry is a sequence of a number of a byte or more and a time of 13: what a list can have no more of. */
const LEAST_TIME_BYTES = 13;
const LEAST_ENTRY_BYTES = 2 + 3 + 2 + LEAST_TIME_BYTES;
/** X.509 CRL v2, 1 on the wire. */
const VERSION_2 = 1;
/** `[0] IMPLICIT KeyIdentifier` of authorityKeyIdentifier. */
const KEY_IDENTIFIER = 0x80;
/** Understood, or without effect on which certificates a list is about. RFC 5280 5.2. */
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35';
const CRL_NUMBER = '2.5.29.20';
/** They change what a list is about, whether critical or not. RFC 5280 5.2.4, 5.2.5. */
const SCOPES: ReadonlyMap<string, string> = new Map([
  ['2.5.29.27', 'a delta list'],
  ['2.5.29.28', 'a list for some certificates only (issuingDistributionPoint)'],
]);
/** certificateIssuer, of an entry of an indirect list, and removeFromCRL, of one of a delta list, are no entries of ours. */
const ENTRY_EXTENSIONS_KNOWN: ReadonlySet<string> = new Set(['2.5.29.21', '2.5.29.24']);

/** The certificates that one authority has revoked. Its dates are read by nobody: an old list is better than none. */
export class RevocationList implements SignedBody {
  /** Bytes of the name, one character a byte. */
  readonly issuer: string;
  /** Hexadecimal; which of the issuer's keys signed. */
  readonly authorityKeyId: string | undefined;
  readonly signed: Uint8Array;
  readonly scheme: SignatureScheme | undefined;
  readonly signature: Uint8Array;
  readonly #serials: SerialSet;
  /** Whether the key (its SubjectPublicKeyInfo) signed this; a signature is verified once. */
  readonly #signers = new WeakMap<Certificate, boolean>();
  readonly #keys = new Map<string, boolean>();

  /** Reads DER. Throws SPIFFE_CRL_INVALID for what is malformed, a delta, partial or critical in an unknown way. */
  constructor(der: Uint8Array) {
    try {
      const { body, ...signature } = decodeSigned(der);
      this.signed = signature.signed;
      this.scheme = signature.scheme;
      this.signature = signature.signature;
      const { issuer, entries, extensions } = readBody(body, signature.algorithm);
      this.issuer = issuer;
      this.authorityKeyId = readListExtensions(extensions);
      this.#serials = readEntries(entries);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message.replace('malformed certificate: ', '') : String(cause);
      throw new SpiffeError('SPIFFE_CRL_INVALID', `revocation list cannot be used: ${why}`, { cause });
    }
  }

  /** How many certificates are revoked. */
  get size(): number {
    return this.#serials.size;
  }

  /** Whether the number (bytes, one character each) is listed. */
  lists(serial: string): boolean {
    return this.#serials.has(Buffer.from(serial, 'latin1'));
  }

  /** Whether the key of `issuer`, which has the right name, signed this list and may do so. */
  isSignedBy(issuer: Certificate): boolean {
    let known = this.#signers.get(issuer);
    if (known === undefined) {
      known = this.#verify(issuer);
      this.#signers.set(issuer, known);
    }
    return known;
  }

  #verify(issuer: Certificate): boolean {
    const { keyUsage } = issuer.extensions;
    // RFC 5280 6.3.3 (f).
    if (keyUsage !== undefined && (keyUsage & KeyUsage.crlSign) === 0) return false;
    const key = latin1(issuer.spki);
    let verified = this.#keys.get(key);
    if (verified === undefined) {
      const { scheme, signed, signature } = this;
      const { keyKind, publicKey } = issuer;
      verified =
        scheme !== undefined &&
        keyKind !== undefined &&
        publicKey !== undefined &&
        fitsScheme(keyKind, scheme) &&
        verifiesSignature(publicKey, scheme, signed, signature);
      this.#keys.set(key, verified);
    }
    return verified;
  }
}

interface ListBody {
  readonly issuer: string;
  readonly entries: DerElement | undefined;
  readonly extensions: Extension[];
}

/** `TBSCertList`, RFC 5280 5.1.2. */
function readBody(body: readonly DerElement[], algorithm: string): ListBody {
  const rest = [...body];
  if (rest[0]?.tag === DerTag.integer && decodeSmallNumber(rest.shift(), 'version') !== VERSION_2)
    throw malformed('unknown version of a list');
  const inner = rest.shift();
  if (inner === undefined || hex(inner.raw) !== algorithm) throw malformed('two signature algorithms');
  const issuer = decodeName(rest.shift());
  decodeTime(rest.shift());
  if (isTime(rest[0])) decodeTime(rest.shift());
  const entries = rest[0]?.tag === DerTag.sequence ? rest.shift() : undefined;
  return { issuer, entries, extensions: readWrappedExtensions(rest) };
}

/** What is left of a body: nothing, or extensions. */
function readWrappedExtensions(rest: readonly DerElement[]): Extension[] {
  const [wrapper, ...more] = rest;
  if (wrapper === undefined) return [];
  if (more.length > 0 || wrapper.tag !== DerTag.context0) throw malformed('more than a list has');
  return decodeExtensions(decodeOnlyElement(wrapper.content, DerTag.sequence));
}

function isTime(element: { readonly tag: number } | undefined): boolean {
  return element?.tag === DerTag.utcTime || element?.tag === DerTag.generalizedTime;
}

function readListExtensions(extensions: readonly Extension[]): string | undefined {
  for (const { id, critical } of extensions) {
    const scope = SCOPES.get(id);
    if (scope !== undefined) throw malformed(`it is ${scope}`);
    if (critical && id !== AUTHORITY_KEY_IDENTIFIER && id !== CRL_NUMBER)
      throw malformed(`its critical extension ${id} is unknown`);
  }
  const value = extensions.find(({ id }) => id === AUTHORITY_KEY_IDENTIFIER)?.value;
  if (value === undefined) return undefined;
  const parts = childrenOf(decodeOnlyElement(value, DerTag.sequence), DerTag.sequence, 'authorityKeyIdentifier');
  const id = parts.find(({ tag }) => tag === KEY_IDENTIFIER);
  return id && hex(id.content);
}

/** One pass over the bytes. */
function readEntries(entries: DerElement | undefined): SerialSet {
  const bytes = entries?.content ?? new Uint8Array();
  const serials = new SerialSet(bytes, bytes.length / LEAST_ENTRY_BYTES);
  const list = new DerCursor(bytes);
  const entry = new DerCursor(bytes);
  while (list.advance()) {
    if (list.tag !== DerTag.sequence) throw malformed('entry');
    entry.rewind(list.contentStart, list.end);
    readEntry(entry, serials);
  }
  if (list.malformed) throw malformed('entries');
  return serials;
}

/** Number, date, and maybe extensions. */
function readEntry(entry: DerCursor, serials: SerialSet): void {
  const isNumber = entry.advance() && entry.tag === DerTag.integer;
  const { contentStart, end } = entry;
  if (!isNumber || end === contentStart || end - contentStart > MAX_SERIAL_BYTES)
    throw malformed('serial number of an entry');
  if (!entry.advance() || !isTime(entry) || entry.end - entry.contentStart < LEAST_TIME_BYTES)
    throw malformed('date of an entry');
  serials.add(contentStart, end);
  if (entry.advance()) checkEntryExtensions(entry.bytes.subarray(entry.start, entry.end));
  if (entry.malformed || entry.advance()) throw malformed('entry');
}

function checkEntryExtensions(bytes: Uint8Array): void {
  const [list] = decodeDerElements(bytes) ?? [];
  for (const { id, critical } of decodeExtensions(list))
    if (critical && !ENTRY_EXTENSIONS_KNOWN.has(id)) throw malformed(`critical extension ${id} of an entry is unknown`);
}
