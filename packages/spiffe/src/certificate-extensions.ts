import { type DerElement, decodeOnlyElement } from './der-elements.ts';
import { DerTag } from './der-tags.ts';
import { childrenOf, decodeBoolean, decodeSmallNumber, hex, latin1, malformed } from './der-values.ts';
import { decodeNameConstraints, type NameConstraints, NameKind } from './name-constraints.ts';

/** What the extensions of a certificate say; absent ones are undefined. @see RFC 5280 4.2 */
export interface CertificateExtensions {
  /** basicConstraints: may sign certificates. */
  readonly authority: boolean;
  /** Of an authority: how many further ones may follow below it. */
  readonly pathLength: number | undefined;
  /** First byte of keyUsage: `KeyUsage` bits. */
  readonly keyUsage: number | undefined;
  /** Dotted object identifiers. */
  readonly extendedKeyUsages: readonly string[] | undefined;
  /** Hexadecimal. */
  readonly subjectKeyId: string | undefined;
  /** Hexadecimal. */
  readonly authorityKeyId: string | undefined;
  /** Of an authority: the names it may certify. */
  readonly nameConstraints: NameConstraints | undefined;
  /** The URIs of subjectAltName in their order, one character a byte. */
  readonly uriNames: readonly string[];
  /** Tags of the names of subjectAltName. */
  readonly nameKinds: ReadonlySet<number>;
  /** Dotted object identifiers of the critical ones that are not understood. */
  readonly unknownCritical: readonly string[];
}

/** Bits of the first byte of keyUsage. RFC 5280 4.2.1.3. */
export const KeyUsage = { digitalSignature: 0x80, keyCertSign: 0x04, crlSign: 0x02 } as const;

/** One extension: identifier (dotted), criticality and the bytes of its value. */
export interface Extension {
  readonly id: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** Certificates in the wild have ten. */
const MAX_EXTENSIONS = 64;
/** `[0] IMPLICIT KeyIdentifier` of authorityKeyIdentifier. */
const KEY_IDENTIFIER = 0x80;
/** Context-specific class of a GeneralName's tag. */
const CLASS_MASK = 0xc0;
const CONTEXT_CLASS = 0x80;

const SUBJECT_KEY_ID = '2.5.29.14';
const KEY_USAGE = '2.5.29.15';

type MutableExtensions = { -readonly [Name in keyof CertificateExtensions]: CertificateExtensions[Name] };

const READERS: Readonly<Record<string, (value: Uint8Array, into: MutableExtensions) => void>> = {
  [SUBJECT_KEY_ID]: (value, into) => {
    into.subjectKeyId = hex(only(value, DerTag.octetString, 'subjectKeyIdentifier').content);
  },
  [KEY_USAGE]: readKeyUsage,
  '2.5.29.17': readSubjectAltName,
  '2.5.29.19': readBasicConstraints,
  '2.5.29.30': (value, into) => {
    into.nameConstraints = decodeNameConstraints(value);
  },
  '2.5.29.35': (value, into) => {
    const parts = childrenOf(only(value, DerTag.sequence, 'authorityKeyIdentifier'), DerTag.sequence, 'authority key');
    const id = parts.find(({ tag }) => tag === KEY_IDENTIFIER);
    if (id !== undefined) into.authorityKeyId = hex(id.content);
  },
  '2.5.29.37': (value, into) => {
    const usages = childrenOf(only(value, DerTag.sequence, 'extKeyUsage'), DerTag.sequence, 'extKeyUsage');
    if (usages.length === 0) throw malformed('extKeyUsage');
    into.extendedKeyUsages = usages.map(decodeObjectIdentifier);
  },
};

/** Reads `Extensions` (a SEQUENCE). Throws SPIFFE_CERTIFICATE_INVALID if malformed or one comes twice. */
export function decodeCertificateExtensions(list: DerElement | undefined): CertificateExtensions {
  const into = emptyExtensions();
  const unknownCritical: string[] = [];
  for (const { id, critical, value } of decodeExtensions(list)) {
    const reader = Object.hasOwn(READERS, id) ? READERS[id] : undefined;
    if (reader !== undefined) reader(value, into);
    else if (critical) unknownCritical.push(id);
  }
  into.unknownCritical = unknownCritical;
  return into;
}

/** Of a certificate without extensions. */
export function emptyExtensions(): MutableExtensions {
  return {
    authority: false,
    pathLength: undefined,
    keyUsage: undefined,
    extendedKeyUsages: undefined,
    subjectKeyId: undefined,
    authorityKeyId: undefined,
    nameConstraints: undefined,
    uriNames: [],
    nameKinds: new Set(),
    unknownCritical: [],
  };
}

/** Of the extensions only those that tell what lists a certificate's key may sign. Throws SPIFFE_CERTIFICATE_INVALID. */
export function readRevocationExtensions(
  extensions: readonly Extension[],
): Pick<CertificateExtensions, 'keyUsage' | 'subjectKeyId'> {
  const into = emptyExtensions();
  for (const { id, value } of extensions) if (id === SUBJECT_KEY_ID || id === KEY_USAGE) READERS[id]?.(value, into);
  return { keyUsage: into.keyUsage, subjectKeyId: into.subjectKeyId };
}

/** The extensions in their order, unread. Throws SPIFFE_CERTIFICATE_INVALID if malformed or one comes twice. */
export function decodeExtensions(list: DerElement | undefined): Extension[] {
  const elements = childrenOf(list, DerTag.sequence, 'extensions');
  if (elements.length > MAX_EXTENSIONS) throw malformed('too many extensions');
  const found = elements.map(decodeExtension);
  if (new Set(found.map(({ id }) => id)).size !== found.length) throw malformed('an extension comes twice');
  return found;
}

function decodeExtension(element: DerElement): Extension {
  const parts = childrenOf(element, DerTag.sequence, 'extension');
  const [id, second] = parts;
  const critical = parts.length === 3 && second !== undefined && decodeBoolean(second, 'critical');
  const value = parts.at(-1);
  if (id === undefined || parts.length < 2 || parts.length > 3 || value?.tag !== DerTag.octetString)
    throw malformed('extension');
  return { id: decodeObjectIdentifier(id), critical, value: value.content };
}

function only(value: Uint8Array, tag: number, what: string): DerElement {
  const element = decodeOnlyElement(value, tag);
  if (element === undefined) throw malformed(what);
  return element;
}

function readKeyUsage(value: Uint8Array, into: MutableExtensions): void {
  const [unused = 8, bits, more] = only(value, DerTag.bitString, 'keyUsage').content;
  if (unused > 7) throw malformed('keyUsage');
  // DER, X.690 11.2.1: the bits that are unused are 0.
  if (((more ?? bits ?? 0) & ((1 << unused) - 1)) !== 0) throw malformed('keyUsage');
  into.keyUsage = bits ?? 0;
}

function readBasicConstraints(value: Uint8Array, into: MutableExtensions): void {
  const what = 'basicConstraints';
  const parts = childrenOf(only(value, DerTag.sequence, what), DerTag.sequence, what);
  if (parts[0]?.tag === DerTag.boolean) {
    into.authority = decodeBoolean(parts[0], what);
    parts.shift();
  }
  const [pathLength, ...more] = parts;
  if (more.length > 0) throw malformed(what);
  if (pathLength !== undefined) into.pathLength = decodeSmallNumber(pathLength, what);
}

function readSubjectAltName(value: Uint8Array, into: MutableExtensions): void {
  const names = childrenOf(only(value, DerTag.sequence, 'subjectAltName'), DerTag.sequence, 'subjectAltName');
  if (names.length === 0 || names.some(({ tag }) => (tag & CLASS_MASK) !== CONTEXT_CLASS))
    throw malformed('subjectAltName');
  into.uriNames = names.filter(({ tag }) => tag === NameKind.uri).map(({ content }) => latin1(content));
  into.nameKinds = new Set(names.map(({ tag }) => tag));
}

/** Dotted text. Throws. @see ITU-T X.690 8.19 */
function decodeObjectIdentifier(element: DerElement): string {
  const { tag, content } = element;
  if (tag !== DerTag.objectIdentifier || content.length === 0 || (content.at(-1) ?? 0x80) >= 0x80)
    throw malformed('object identifier');
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    // X.690 8.19.2: no leading 0x80. Arcs past 2^53 are no identifiers that anyone knows.
    if ((arc === 0 && byte === 0x80) || arc > 2 ** 40) throw malformed('object identifier');
    arc = arc * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [first = 0, ...rest] = arcs;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join('.');
}
