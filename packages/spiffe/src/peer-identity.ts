import { type DerElement, decodeDerElements, decodeOnlyElement } from './der-elements.ts';
import { latin1 } from './der-values.ts';
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts';

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
const OCTET_STRING = 0x04;
/** `[3] EXPLICIT Extensions`, RFC 5280 4.1. */
const EXTENSIONS = 0xa3;
/** `[6] IMPLICIT IA5String`, the URI of a GeneralName, RFC 5280 4.2.1.6. */
const URI_NAME = 0x86;
/** id-ce-subjectAltName, 2.5.29.17. */
const SUBJECT_ALT_NAME = Buffer.from([0x55, 0x1d, 0x11]);

/**
 * All SPIFFE IDs among the URI SANs of a leaf certificate (DER), in their order. Other names are left out; so is
 * everything if the certificate is malformed or has two SAN extensions.
 *
 * The extension is read from its bytes: Node's `subjectAltName` joins names to one text, which is how a name with a
 * comma in it once passed for two (CVE-2021-44532).
 */
export function identitiesOf(der: Uint8Array): SpiffeId[] {
  return uriNamesOf(der)
    .map((uri) => parseSpiffeId(uri))
    .filter((id) => id !== undefined);
}

/** Who the peer is, for logs and policy: the first SPIFFE ID among the URI SANs of its leaf (DER), if it has one. */
export function peerIdentity(der: Uint8Array): SpiffeId | undefined {
  return identitiesOf(der)[0];
}

/** All URI SANs of a certificate (DER) in their order, each byte one character; none if it is malformed. */
export function uriNamesOf(der: Uint8Array): string[] {
  const names = decodeDerElements(subjectAltNames(der) ?? new Uint8Array());
  const sequence = names?.length === 1 ? names[0] : undefined;
  if (sequence?.tag !== SEQUENCE) return [];
  const general = decodeDerElements(sequence.content) ?? [];
  return general.filter((name) => name.tag === URI_NAME).map((name) => latin1(name.content));
}

/** The value of the one SAN extension. */
function subjectAltNames(der: Uint8Array): Uint8Array | undefined {
  const certificate = decodeOnlyElement(der, SEQUENCE);
  const signed = certificate && decodeDerElements(certificate.content)?.[0];
  if (signed?.tag !== SEQUENCE) return undefined;
  const wrappers = decodeDerElements(signed.content)?.filter((element) => element.tag === EXTENSIONS) ?? [];
  const [wrapper] = wrappers;
  if (wrapper === undefined || wrappers.length !== 1) return undefined;
  const list = decodeOnlyElement(wrapper.content, SEQUENCE);
  const extensions = (list && decodeDerElements(list.content)) ?? [];
  const found = extensions.map((extension) => decodeDerElements(extension.content) ?? []).filter(isSubjectAltName);
  const value = found.length === 1 ? found[0]?.at(-1) : undefined;
  return value?.tag === OCTET_STRING ? value.content : undefined;
}

function isSubjectAltName(extension: DerElement[]): boolean {
  const [id] = extension;
  return id?.tag === OBJECT_IDENTIFIER && SUBJECT_ALT_NAME.equals(id.content);
}
