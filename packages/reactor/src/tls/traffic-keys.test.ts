import { createHash, hkdfSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { nextSecret, recordSuite, trafficKeys } from './traffic-keys.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

// RFC 8448 section 3, Simple 1-RTT Handshake
test.each([
  {
    end: 'client',
    secret: '9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5',
    key: '17422dda596ed5d9acd890e3c63f5051',
    iv: '5b78923dee08579033e523d9',
  },
  {
    end: 'server',
    secret: 'a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643',
    key: '9f02283b6c9c07efc26bb9f2ac92e356',
    iv: 'cf782b88dd83549aadf1e984',
  },
])('RFC 8448 3: what protects the data of the $end', ({ secret, key, iv }) => {
  const keys = trafficKeys(recordSuite(0x1301)!, hex(secret));
  expect([text(keys.key), text(keys.iv)]).toEqual([key, iv]);
});

/** HkdfLabel with an empty context. RFC 8446 7.1 */
function label(name: string, length: number): Uint8Array {
  const full = Buffer.from(`tls13 ${name}`);
  return Buffer.concat([Buffer.of(length >> 8, length & 0xff, full.length), full, Buffer.of(0)]);
}

// `hkdfSync` extracts before it expands: so a secret is what it extracts of known input.
test.each([
  { suite: 0x1301, hash: 'sha256', hashBytes: 32, keyBytes: 16 },
  { suite: 0x1302, hash: 'sha384', hashBytes: 48, keyBytes: 32 },
])('$hash: keys, and the secret behind a KeyUpdate, as HKDF of OpenSSL has them', (row) => {
  const { suite, hash, hashBytes, keyBytes } = row;
  const [input, salt] = [createHash(hash).update('input').digest(), Buffer.from('salt')];
  const expanded = (name: string, length: number): string =>
    text(new Uint8Array(hkdfSync(hash, input, salt, label(name, length), length)));
  const secret = extracted(hash, salt, input);
  expect(recordSuite(suite)).toEqual({ hash, keyBytes, hashBytes });
  const { key, iv } = trafficKeys(recordSuite(suite)!, secret);
  expect([text(key), text(iv)]).toEqual([expanded('key', keyBytes), expanded('iv', 12)]);
  const next = nextSecret(recordSuite(suite)!, secret);
  expect([text(next), next.length]).toEqual([expanded('traffic upd', hashBytes), hashBytes]);
});

test('other suites are OpenSSL’s', () => {
  expect([0x1300, 0x1303, 0x1304, 0xc02b].map((number) => recordSuite(number))).toEqual(Array(4).fill(undefined));
});

/** RFC 5869 2.2: HMAC, of hashes. */
function extracted(hash: string, salt: Buffer, input: Buffer): Uint8Array {
  const block = Buffer.alloc(hash === 'sha256' ? 64 : 128);
  salt.copy(block);
  const padded = (octet: number): Uint8Array => block.map((value) => value ^ octet);
  const inner = createHash(hash).update(padded(0x36)).update(input).digest();
  return Uint8Array.from(createHash(hash).update(padded(0x5c)).update(inner).digest());
}
