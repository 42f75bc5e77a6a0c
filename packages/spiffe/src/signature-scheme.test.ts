import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { Certificate } from './certificate.ts';
import { verifiesSignature } from './signature-scheme.ts';
import { loadX509 } from './x509-library.ts';

const OPENSSL = 'openssl';
/** One for all: they take long to make. */
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const rsaPem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' });
const ecPem = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
const edPem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });

/** Whether a self-signed certificate is read and its signature verifies, also with one bit changed in its body. */
function verdict(der: Uint8Array): readonly [good: boolean, changed: boolean] {
  const { publicKey, scheme, signed, signature } = new Certificate(der);
  if (publicKey === undefined || scheme === undefined) throw new Error('the algorithm is not known');
  const changed = Buffer.from(signed);
  changed[20] = (changed[20] ?? 0) ^ 1;
  return [
    verifiesSignature(publicKey, scheme, signed, signature),
    verifiesSignature(publicKey, scheme, changed, signature),
  ];
}

test.each([
  { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-512' },
  { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  { name: 'Ed25519', hash: '' },
  { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384' },
  { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' },
  { name: 'RSA-PSS', hash: 'SHA-256', saltLength: 32 },
  { name: 'RSA-PSS', hash: 'SHA-384', saltLength: 48 },
  { name: 'RSA-PSS', hash: 'SHA-512', saltLength: 64 },
])('as @peculiar/x509 writes it: $name $namedCurve $hash', async (algorithm) => {
  const { X509CertificateGenerator } = await loadX509();
  const keys = algorithm.name.startsWith('RSA') ? await rsaPair(algorithm) : await newPair(algorithm);
  const { rawData } = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=x',
    keys,
    signingAlgorithm: algorithm,
  });
  expect(verdict(new Uint8Array(rawData))).toEqual([true, false]);
});

async function newPair(algorithm: { readonly name: string }): Promise<webcrypto.CryptoKeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  if (!('publicKey' in keys)) throw new Error('a pair of keys was asked for');
  return keys;
}

async function rsaPair(algorithm: { readonly name: string }): Promise<webcrypto.CryptoKeyPair> {
  const pkcs8 = rsa.privateKey.export({ type: 'pkcs8', format: 'der' });
  const spki = rsa.publicKey.export({ type: 'spki', format: 'der' });
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify']),
  };
}

const PSS = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt'];

test.skipIf(spawnSync(OPENSSL, ['version']).status !== 0).each([
  { name: 'PSS with SHA-256', key: rsaPem, options: ['-sha256', ...PSS, 'rsa_pss_saltlen:32'] },
  { name: 'PSS with SHA-512', key: rsaPem, options: ['-sha512', ...PSS, 'rsa_pss_saltlen:64'] },
  { name: 'PKCS#1 with SHA-384', key: rsaPem, options: ['-sha384'] },
  { name: 'ECDSA', key: ecPem, options: ['-sha384'] },
  { name: 'Ed25519', key: edPem, options: [] },
])('as OpenSSL writes it: $name', ({ key, options }) => {
  // A socket, as Node's pipes are, cannot be opened by name: `cat` makes a real one.
  const script = 'cat | "$0" req -x509 -new -key /dev/stdin -subj /CN=a "$@"';
  const pem = execFileSync('sh', ['-c', script, OPENSSL, ...options], {
    input: key,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  expect(verdict(new X509Certificate(pem).raw)).toEqual([true, false]);
});
