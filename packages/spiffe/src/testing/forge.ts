import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { bits, der, integer, oid, pem, sequence, time } from './der.ts';

/** A key pair of node:crypto. */
export interface Keys {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** A certificate made without any library, and the means to sign others with it. */
export interface Forged {
  readonly der: Buffer;
  readonly pem: string;
  readonly keys: Keys;
  readonly keyPem: string;
  /** DER of the subject. */
  readonly name: Buffer;
}

/** What to forge; everything has a sensible default, and nothing is checked. */
export interface ForgedSpec {
  /** Common name. */
  readonly name?: string;
  /** DER of a subject in place of `name`. */
  readonly subject?: Buffer;
  readonly keys?: Keys;
  /** Whose name stands as issuer, and who signs; itself if absent. */
  readonly by?: Pick<Forged, 'keys' | 'name'>;
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Of another form than time makes. */
  readonly validity?: Buffer;
  readonly extensions?: readonly Buffer[];
  /** Content of the version's integer; v3 if absent. */
  readonly version?: Buffer;
  readonly serial?: Buffer;
  readonly spki?: Buffer;
  /** Signature algorithm, signed and outside; by the signer's key if absent. */
  readonly scheme?: Scheme;
  /** The one outside, if it differs. */
  readonly outerScheme?: Scheme;
  /** Between key and extensions. */
  readonly beforeExtensions?: readonly Buffer[];
}

/** A signature algorithm. */
export interface Scheme {
  readonly algorithm: Buffer;
  readonly hash: string | null;
}

export const DAY = 24 * 3_600_000;
/** In the middle of every forged lifetime. */
export const NOW = Date.UTC(2026, 0, 1);

const NULL = der(0x05);
export const ECDSA_SHA256: Scheme = { algorithm: sequence(oid('1.2.840.10045.4.3.2')), hash: 'sha256' };
export const ECDSA_SHA384: Scheme = { algorithm: sequence(oid('1.2.840.10045.4.3.3')), hash: 'sha384' };
export const ECDSA_SHA1: Scheme = { algorithm: sequence(oid('1.2.840.10045.4.1')), hash: 'sha1' };
export const RSA_SHA256: Scheme = { algorithm: sequence(oid('1.2.840.113549.1.1.11'), NULL), hash: 'sha256' };
export const RSA_SHA1: Scheme = { algorithm: sequence(oid('1.2.840.113549.1.1.5'), NULL), hash: 'sha1' };
export const RSA_MD5: Scheme = { algorithm: sequence(oid('1.2.840.113549.1.1.4'), NULL), hash: 'md5' };
export const ED25519: Scheme = { algorithm: sequence(oid('1.3.101.112')), hash: null };

/** A new key pair on a curve. */
export function ecKeys(namedCurve = 'P-256'): Keys {
  return generateKeyPairSync('ec', { namedCurve });
}

/** A new RSA key pair. */
export function rsaKeys(modulusLength: number): Keys {
  return generateKeyPairSync('rsa', { modulusLength });
}

/** Makes and signs the certificate. */
export function forge(spec: ForgedSpec = {}): Forged {
  const keys = spec.keys ?? ecKeys();
  const name = spec.subject ?? commonName(spec.name ?? 'leaf');
  const { by = { keys, name }, scheme = schemeOf(by.keys) } = spec;
  const body = sequence(
    der(0xa0, der(0x02, spec.version ?? Buffer.from([2]))),
    spec.serial ?? integer(0x40, ...createHash('sha256').update(spkiOf(keys)).digest().subarray(0, 15)),
    scheme.algorithm,
    by.name,
    spec.validity ?? sequence(time(spec.notBefore ?? NOW - DAY), time(spec.notAfter ?? NOW + DAY)),
    name,
    spec.spki ?? spkiOf(keys),
    ...(spec.beforeExtensions ?? []),
    ...(spec.extensions === undefined ? [] : [der(0xa3, sequence(...spec.extensions))]),
  );
  const bytes = signed(body, by.keys, scheme, spec.outerScheme);
  const keyPem = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { der: bytes, pem: pem('CERTIFICATE', bytes), keys, keyPem, name };
}

/** A leaf with a SPIFFE ID and what CAs usually write, and `extra` in place of nothing. */
export function forgeLeaf(spec: ForgedSpec & { readonly uris?: readonly string[] } = {}): Forged {
  return forge({ extensions: [notAuthority(), keyUsage(0x80), san(...(spec.uris ?? [ID]))], ...spec });
}

/** An authority, of any depth below it. */
export function forgeAuthority(spec: ForgedSpec = {}): Forged {
  return forge({ name: 'authority', extensions: [authority(), keyUsage(0x06)], ...spec });
}

/** The SPIFFE ID of forged leaves. */
export const ID = 'spiffe://td/ns/default/sa/a';

/** Body, algorithm and signature. */
export function signed(body: Buffer, keys: Keys, scheme = schemeOf(keys), outer = scheme): Buffer {
  return sequence(body, outer.algorithm, bits(sign(scheme.hash, body, keys.privateKey)));
}

/** One extension. */
export function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [der(0x01, Buffer.from([255]))] : []), der(0x04, value));
}

/** basicConstraints of an authority. */
export function authority(pathLength?: number): Buffer {
  const value = [der(0x01, Buffer.from([255])), ...(pathLength === undefined ? [] : [integer(pathLength)])];
  return extension('2.5.29.19', sequence(...value), true);
}

/** basicConstraints of a leaf. */
export function notAuthority(): Buffer {
  return extension('2.5.29.19', sequence(), true);
}

/** keyUsage of one byte of bits. */
export function keyUsage(flags: number): Buffer {
  const unused = 31 - Math.clz32(flags & -flags);
  return extension('2.5.29.15', der(0x03, Buffer.from([unused, flags])), true);
}

/** extKeyUsage of the last arcs below id-kp: 1 server, 2 client. */
export function purposes(...arcs: readonly (number | string)[]): Buffer {
  const ids = arcs.map((arc) => oid(typeof arc === 'string' ? arc : `1.3.6.1.5.5.7.3.${arc}`));
  return extension('2.5.29.37', sequence(...ids));
}

/** subjectAltName with URIs. */
export function san(...uris: readonly string[]): Buffer {
  return extension('2.5.29.17', sequence(...uris.map((uri) => der(0x86, Buffer.from(uri, 'latin1')))), true);
}

/** subjectKeyIdentifier. */
export function subjectKeyId(...id: readonly number[]): Buffer {
  return extension('2.5.29.14', der(0x04, Buffer.from(id)));
}

/** authorityKeyIdentifier. */
export function authorityKeyId(...id: readonly number[]): Buffer {
  return extension('2.5.29.35', sequence(der(0x80, Buffer.from(id))));
}

/** DER of a name with one component. */
export function commonName(text: string): Buffer {
  return sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(text)))));
}

function spkiOf(keys: Keys): Buffer {
  return keys.publicKey.export({ type: 'spki', format: 'der' });
}

function schemeOf({ publicKey }: Keys): Scheme {
  if (publicKey.asymmetricKeyType === 'rsa') return RSA_SHA256;
  if (publicKey.asymmetricKeyType === 'ed25519') return ED25519;
  return publicKey.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? ECDSA_SHA384 : ECDSA_SHA256;
}
