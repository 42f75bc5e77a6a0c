import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  CertificateAuthority,
  createKeyAndCsr,
  parseWorkloadCertificate,
  TrustBundle,
  verifyPeer,
} from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';
import { readSigningRequest } from './signing-request-check.ts';
import { loadX509 } from './x509-library.ts';

const OPENSSL = 'openssl';
const id = { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'sleep' };
const uri = 'spiffe://cluster.local/ns/default/sa/sleep';

test('8 the request has an empty subject and one extension, a critical SAN with one URI', async () => {
  const { csrPem, privateKeyPem } = await createKeyAndCsr(id);
  const { GeneralNames, Pkcs10CertificateRequest } = await loadX509();
  const request = new Pkcs10CertificateRequest(csrPem);
  expect(privateKeyPem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  expect(await request.verify()).toBe(true);
  expect(request.subject).toBe('');
  expect(request.extensions.map(({ type, critical }) => ({ type, critical }))).toEqual([
    { type: '2.5.29.17', critical: true },
  ]);
  const names = new GeneralNames(request.extensions[0]?.value ?? new ArrayBuffer());
  expect(names.toJSON()).toEqual([{ type: 'url', value: uri }]);
});

test.skipIf(spawnSync(OPENSSL, ['version']).status !== 0)('8 openssl reads the same', async () => {
  const { csrPem } = await createKeyAndCsr(id);
  const text = execFileSync(OPENSSL, ['req', '-noout', '-text', '-verify'], {
    input: csrPem,
    stdio: 'pipe',
  }).toString();
  expect(text).toMatch(/Subject: *\n/);
  expect(text).toMatch(/NIST CURVE: P-256/);
  expect(text).toMatch(/Signature Algorithm: ecdsa-with-SHA256/);
  expect(text).toMatch(/Subject Alternative Name: critical\s+URI:spiffe:\/\/cluster.local\/ns\/default\/sa\/sleep\n/);
  expect(text.match(/X509v3 /g)).toHaveLength(1);
});

test('each request has a key of its own', async () => {
  const [a, b] = await Promise.all([createKeyAndCsr(id), createKeyAndCsr(id)]);
  expect(a.privateKeyPem).not.toBe(b.privateKeyPem);
});

test('an identity that reads as another one is refused', async () => {
  await expect(createKeyAndCsr({ ...id, namespace: 'a/sa/b' })).rejects.toMatchObject({ code: 'SPIFFE_ID_INVALID' });
});

test.each([
  { keyType: 'P-256', algorithm: { name: 'ECDSA', namedCurve: 'P-256' } },
  { keyType: 'P-384', algorithm: { name: 'ECDSA', namedCurve: 'P-384' } },
  { keyType: 'RSA-2048', algorithm: { modulusLength: 2_048 } },
] as const)('a key of $keyType is made, requested and certified', async ({ keyType, algorithm }) => {
  const { csrPem, privateKeyPem } = await createKeyAndCsr(id, { keyType });
  expect((await readSigningRequest(csrPem)).algorithm).toMatchObject(algorithm);
  const ca = await CertificateAuthority.create({ trustDomain: id.trustDomain });
  const chain = await ca.sign(csrPem, { id, validityMs: 60_000 });
  const certificate = parseWorkloadCertificate({ privateKeyPem, chain, expected: id });
  const verified = verifyPeer({
    chain: [new X509Certificate(certificate.chainPem).raw],
    roots: TrustBundle.parse(ca.rootPem),
    usage: 'client',
    nowEpochMs: Date.now(),
    expect: { identities: [id] },
  });
  expect(verified).toEqual({ identity: id, identities: [id] });
});
