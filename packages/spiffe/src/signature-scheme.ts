import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';

/** Kinds of keys that certificates may have here. */
export type KeyKind = 'P-256' | 'P-384' | 'Ed25519' | 'RSA';

/** How a certificate was signed. */
export interface SignatureScheme {
  readonly family: 'EC' | 'Ed25519' | 'RSA';
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  /** RSASSA-PSS with a salt as long as the hash. */
  readonly pss?: { readonly saltLength: number };
}

/** AlgorithmIdentifiers of public keys, whole, in hexadecimal. RFC 5480, RFC 8410, RFC 3279. */
const KEY_KINDS: ReadonlyMap<string, KeyKind> = new Map([
  ['301306072a8648ce3d020106082a8648ce3d030107', 'P-256'],
  ['301006072a8648ce3d020106052b81040022', 'P-384'],
  ['300506032b6570', 'Ed25519'],
  ['300d06092a864886f70d0101010500', 'RSA'],
]);

/**
 * AlgorithmIdentifiers of signatures, whole, in hexadecimal. RFC 5758, RFC 8410, RFC 4055. MD5 and SHA-1 are not here, and
 * nothing else is either.
 */
const SCHEMES: ReadonlyMap<string, SignatureScheme> = new Map([
  ['300a06082a8648ce3d040302', { family: 'EC', hash: 'sha256' }],
  ['300a06082a8648ce3d040303', { family: 'EC', hash: 'sha384' }],
  ['300a06082a8648ce3d040304', { family: 'EC', hash: 'sha512' }],
  ['300506032b6570', { family: 'Ed25519', hash: null }],
  ['300d06092a864886f70d01010b0500', { family: 'RSA', hash: 'sha256' }],
  ['300d06092a864886f70d01010c0500', { family: 'RSA', hash: 'sha384' }],
  ['300d06092a864886f70d01010d0500', { family: 'RSA', hash: 'sha512' }],
  ...pssForms('01', { family: 'RSA', hash: 'sha256', pss: { saltLength: 32 } }),
  ...pssForms('02', { family: 'RSA', hash: 'sha384', pss: { saltLength: 48 } }),
  ...pssForms('03', { family: 'RSA', hash: 'sha512', pss: { saltLength: 64 } }),
]);

/** Uncompressed points: 4, then both coordinates. RFC 5480 2.2. */
const POINT_BYTES = { 'P-256': 65, 'P-384': 97 } as const;
const UNCOMPRESSED = 4;
const ED25519_KEY_BYTES = 32;

/** The kind of a key by its AlgorithmIdentifier in hexadecimal; undefined for kinds that are not accepted. */
export function keyKindOf(algorithmHex: string): KeyKind | undefined {
  return KEY_KINDS.get(algorithmHex);
}

/** The scheme by its AlgorithmIdentifier in hexadecimal; undefined for weak and unknown ones. */
export function signatureSchemeOf(algorithmHex: string): SignatureScheme | undefined {
  return SCHEMES.get(algorithmHex);
}

/** Whether the key bytes have the form of an elliptic key of that kind; RSA keys are judged by their numbers. */
export function isWellFormedPoint(kind: Exclude<KeyKind, 'RSA'>, key: Uint8Array): boolean {
  if (kind === 'Ed25519') return key.length === ED25519_KEY_BYTES;
  return key.length === POINT_BYTES[kind] && key[0] === UNCOMPRESSED;
}

/** Whether keys of `kind` make signatures of `scheme`. */
export function fitsScheme(kind: KeyKind, scheme: SignatureScheme): boolean {
  return scheme.family === (kind === 'P-256' || kind === 'P-384' ? 'EC' : kind);
}

/** The same of a key of any size and kind that OpenSSL reads. */
export function fitsKey({ asymmetricKeyType }: KeyObject, { family, pss }: SignatureScheme): boolean {
  if (family === 'EC') return asymmetricKeyType === 'ec';
  if (family === 'Ed25519') return asymmetricKeyType === 'ed25519';
  return asymmetricKeyType === 'rsa' || (asymmetricKeyType === 'rsa-pss' && pss !== undefined);
}

/** Reads a SubjectPublicKeyInfo; undefined if OpenSSL refuses it, such as a point off the curve. */
export function importPublicKey(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

/** Whether `signature` is that of `signed`; false also where OpenSSL cannot tell. */
export function verifiesSignature(
  key: KeyObject,
  scheme: SignatureScheme,
  signed: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    if (scheme.pss === undefined) return verify(scheme.hash, signed, key, signature);
    const { saltLength } = scheme.pss;
    return verify(scheme.hash, signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature);
  } catch {
    return false;
  }
}

/**
 * RFC 4055 3.1: the hash (last byte of its OID), MGF1 with the same hash, the salt's length. The hashes have NULL as
 * parameters, or none: 2.1 wants both forms accepted.
 */
function pssForms(
  hash: string,
  scheme: SignatureScheme & { readonly pss: { readonly saltLength: number } },
): [string, SignatureScheme][] {
  const id = `06096086480165030402${hash}`;
  const salt = `a2030201${scheme.pss.saltLength.toString(16)}`;
  const withNull = `304106092a864886f70d01010a3034a00f300d${id}0500a11c301a06092a864886f70d010108300d${id}0500${salt}`;
  const without = `303d06092a864886f70d01010a3030a00d300b${id}a11a301806092a864886f70d010108300b${id}${salt}`;
  return [
    [withNull, scheme],
    [without, scheme],
  ];
}
