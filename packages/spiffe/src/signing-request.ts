import { generateKeyPair, KeyObject, sign, type webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import { encodeDer } from './der-encoding.ts';
import { DerTag } from './der-tags.ts';
import { checkedSpiffeUri, type SpiffeId } from './spiffe-id.ts';

/** Keys that workloads may have. */
export type WorkloadKeyType = 'P-256' | 'P-384' | 'RSA-2048' | 'RSA-3072' | 'RSA-4096';

/** The hash of a request's signature, and its AlgorithmIdentifier: RFC 5758 3.2, RFC 4055 5. */
interface RequestSignature {
  readonly hash: 'sha256' | 'sha384';
  readonly algorithm: Uint8Array;
}

const ECDSA_SHA256: RequestSignature = { hash: 'sha256', algorithm: fromHex('300a06082a8648ce3d040302') };
const ECDSA_SHA384: RequestSignature = { hash: 'sha384', algorithm: fromHex('300a06082a8648ce3d040303') };
const RSA_SHA256: RequestSignature = { hash: 'sha256', algorithm: fromHex('300d06092a864886f70d01010b0500') };

/** extensionRequest, RFC 2985 5.4.2. */
const EXTENSION_REQUEST = fromHex('06092a864886f70d01090e');
/** id-ce-subjectAltName, RFC 5280 4.2.1.6. */
const SUBJECT_ALT_NAME = fromHex('0603551d11');
const TRUE = fromHex('0101ff');
/** `[6] IA5String` of GeneralName, RFC 5280 4.2.1.6. */
const URI_TAG = 0x86;
/** Version v1, and no name at all: RFC 2986 4.1. */
const VERSION_AND_SUBJECT = fromHex('0201003000');
const PEM_LINE = /.{1,64}/g;

/** How to make a key. */
export interface KeyOptions {
  /** P-256 if absent, as the reference; RSA 4096 takes a second to make. */
  readonly keyType?: WorkloadKeyType;
}

/** A new private key and the request to certify it. */
export interface KeyAndCsr {
  /** PKCS#8. */
  readonly privateKeyPem: string;
  /** PKCS#10. */
  readonly csrPem: string;
}

/**
 * Makes a key and a signing request with an empty subject and one extension: a critical SAN with the URI
 * of `id`. Throws SPIFFE_ID_INVALID. Written here: the library that reads requests takes 24 MB, see `loadX509`.
 */
export async function createKeyAndCsr(id: SpiffeId, options: KeyOptions = {}): Promise<KeyAndCsr> {
  const uri = checkedSpiffeUri(id);
  const { keys, signature } = await generateKeys(options.keyType ?? 'P-256');
  const info = encodeDer(
    DerTag.sequence,
    VERSION_AND_SUBJECT,
    keys.publicKey.export({ type: 'spki', format: 'der' }),
    encodeDer(DerTag.context0, extensionRequest(uri)),
  );
  const signed = await promisify(sign)(signature.hash, info, keys.privateKey);
  const unusedBits = Buffer.from([0]);
  const request = encodeDer(
    DerTag.sequence,
    info,
    signature.algorithm,
    encodeDer(DerTag.bitString, unusedBits, signed),
  );
  return {
    privateKeyPem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    csrPem: renderPem('CERTIFICATE REQUEST', request),
  };
}

/** PKCS#8 PEM of an extractable key. */
export function renderPrivateKey(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString();
}

interface GeneratedKeys {
  readonly keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  readonly signature: RequestSignature;
}

async function generateKeys(keyType: WorkloadKeyType): Promise<GeneratedKeys> {
  const generate = promisify(generateKeyPair);
  switch (keyType) {
    case 'P-256':
      return { keys: await generate('ec', { namedCurve: 'P-256' }), signature: ECDSA_SHA256 };
    case 'P-384':
      return { keys: await generate('ec', { namedCurve: 'P-384' }), signature: ECDSA_SHA384 };
    case 'RSA-2048':
    case 'RSA-3072':
    case 'RSA-4096': {
      const modulusLength = Number(keyType.slice('RSA-'.length));
      return { keys: await generate('rsa', { modulusLength }), signature: RSA_SHA256 };
    }
  }
}

/** The attribute that asks for the one extension. */
function extensionRequest(uri: string): Buffer {
  const names = encodeDer(DerTag.sequence, encodeDer(URI_TAG, Buffer.from(uri, 'utf8')));
  const extension = encodeDer(DerTag.sequence, SUBJECT_ALT_NAME, TRUE, encodeDer(DerTag.octetString, names));
  return encodeDer(DerTag.sequence, EXTENSION_REQUEST, encodeDer(DerTag.set, encodeDer(DerTag.sequence, extension)));
}

function renderPem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(PEM_LINE) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function fromHex(digits: string): Uint8Array {
  return Buffer.from(digits, 'hex');
}
