import { createHmac } from 'node:crypto';

/** A cipher suite of TLS 1.3 with AES-GCM. RFC 8446 B.4 */
export interface RecordSuite {
  readonly hash: 'sha256' | 'sha384';
  readonly keyBytes: 16 | 32;
  /** Of the hash, and so of a secret. */
  readonly hashBytes: 32 | 48;
}

/** Octets of a nonce, of which there is one a record. RFC 8446 5.3 */
export const NONCE_BYTES = 12;

const SUITES: ReadonlyMap<number, RecordSuite> = new Map([
  [0x1301, { hash: 'sha256', keyBytes: 16, hashBytes: 32 }],
  [0x1302, { hash: 'sha384', keyBytes: 32, hashBytes: 48 }],
]);

/** What the records of one direction are protected with, until the next KeyUpdate. */
export interface TrafficKeys {
  readonly key: Uint8Array;
  /** NONCE_BYTES. */
  readonly iv: Uint8Array;
}

/** The suite with this number, if records can be made with it here. */
export function recordSuite(number: number): RecordSuite | undefined {
  return SUITES.get(number);
}

/** Key and IV that follow from a traffic secret. RFC 8446 7.3 */
export function trafficKeys({ hash, keyBytes }: RecordSuite, secret: Uint8Array): TrafficKeys {
  return { key: expandLabel(hash, secret, 'key', keyBytes), iv: expandLabel(hash, secret, 'iv', NONCE_BYTES) };
}

/** The secret after a KeyUpdate. RFC 8446 7.2 */
export function nextSecret({ hash }: RecordSuite, secret: Uint8Array): Uint8Array {
  return expandLabel(hash, secret, 'traffic upd', secret.length);
}

/** HKDF-Expand-Label with an empty context, of at most one block. RFC 8446 7.1, RFC 5869 2.3 */
function expandLabel(hash: RecordSuite['hash'], secret: Uint8Array, label: string, length: number): Uint8Array {
  const name = Buffer.from(`tls13 ${label}`, 'latin1');
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])]);
  return createHmac(hash, secret).update(info).digest().subarray(0, length);
}
