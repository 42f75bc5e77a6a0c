import { generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto';
import { CertificateAuthority, createKeyAndCsr, SpiffeError } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';
import { loadX509 } from './x509-library.ts';

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
const id = { trustDomain: 'td', namespace: 'default', serviceAccount: 'sleep' };
const ca = await CertificateAuthority.create({ trustDomain: 'td', validityMs: 10 * HOUR, now: () => NOW });
const { csrPem } = await createKeyAndCsr(id);

async function csrWith(algorithm: webcrypto.RsaHashedKeyGenParams | webcrypto.EcKeyGenParams): Promise<string> {
  const { Pkcs10CertificateRequestGenerator } = await loadX509();
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const signingAlgorithm = { name: algorithm.name, hash: 'SHA-256' };
  return (await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm })).toString('pem');
}
const rsa = (modulusLength: number) => ({
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
});

test('11.2 the leaf: dates, usages, SAN of the asked identity whatever the request says', async () => {
  const other = { ...id, serviceAccount: 'other' };
  const chain = await ca.sign(csrPem, { id: other, validityMs: HOUR });
  const leaf = new X509Certificate(chain[0] ?? '');
  expect(chain).toHaveLength(2);
  expect(chain[1]).toBe(ca.rootPem);
  expect(leaf.subjectAltName).toBe('URI:spiffe://td/ns/default/sa/other');
  expect(leaf.subject ?? '').toBe('');
  expect(leaf.ca).toBe(false);
  expect(leaf.validFromDate.getTime()).toBe(NOW - 120_000);
  expect(leaf.validToDate.getTime()).toBe(NOW + HOUR);
  expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  expect(leaf.serialNumber).toHaveLength(32);
  expect(leaf.verify(new X509Certificate(ca.rootPem).publicKey)).toBe(true);
});

test('the leaf never outlives the authority, and a start may be asked for', async () => {
  const [long = ''] = await ca.sign(csrPem, { id, validityMs: 100 * HOUR });
  expect(new X509Certificate(long).validToDate.getTime()).toBe(NOW + 10 * HOUR);
  const [past = ''] = await ca.sign(csrPem, { id, validityMs: HOUR, notBeforeEpochMs: NOW - 5 * HOUR });
  expect(new X509Certificate(past).validFromDate.getTime()).toBe(NOW - 5 * HOUR);
  expect(new X509Certificate(past).validToDate.getTime()).toBe(NOW - 4 * HOUR);
});

test.each([
  { name: 'ECDSA P-256', algorithm: { name: 'ECDSA', namedCurve: 'P-256' }, code: undefined },
  { name: 'ECDSA P-384', algorithm: { name: 'ECDSA', namedCurve: 'P-384' }, code: undefined },
  { name: 'ECDSA P-521', algorithm: { name: 'ECDSA', namedCurve: 'P-521' }, code: 'SPIFFE_CSR_INVALID' },
  { name: 'RSA 2048', algorithm: rsa(2048), code: undefined },
  { name: 'RSA 1024', algorithm: rsa(1024), code: 'SPIFFE_CSR_INVALID' },
])('11.2 a key of $name: refused as $code', async ({ algorithm, code }) => {
  const outcome = await ca.sign(await csrWith(algorithm), { id, validityMs: HOUR }).then(
    () => undefined,
    (error: unknown) => (error instanceof SpiffeError ? error.code : error),
  );
  expect(outcome).toBe(code);
});

test.each([
  { name: 'empty', csr: '' },
  { name: 'no PEM', csr: 'x' },
  { name: 'two blocks', csr: csrPem + csrPem },
  { name: 'too long', csr: `${csrPem}${' '.repeat(20_000)}` },
  {
    name: 'a key',
    csr: generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString(),
  },
  { name: 'a changed byte', csr: changedCsr() },
])('11.2 a bad request is refused: $name', async ({ csr }) => {
  await expect(ca.sign(csr, { id, validityMs: HOUR })).rejects.toMatchObject({ code: 'SPIFFE_CSR_INVALID' });
});

function changedCsr(): string {
  const lines = csrPem.trim().split('\n');
  const bytes = Buffer.from(lines.slice(1, -1).join(''), 'base64');
  const at = bytes.indexOf('sleep');
  bytes[at] = 'S'.charCodeAt(0);
  return `${lines[0]}\n${bytes.toString('base64')}\n${lines.at(-1)}\n`;
}

test.each([
  { name: 'foreign trust domain', options: { id: { ...id, trustDomain: 'td2' }, validityMs: HOUR } },
  { name: 'slash in the namespace', options: { id: { ...id, namespace: 'a/sa/b' }, validityMs: HOUR } },
  { name: 'comma in the account', options: { id: { ...id, serviceAccount: 'a,b' }, validityMs: HOUR } },
  { name: 'empty account', options: { id: { ...id, serviceAccount: '' }, validityMs: HOUR } },
  { name: 'endless account', options: { id: { ...id, serviceAccount: 'a'.repeat(254) }, validityMs: HOUR } },
  { name: 'no lifetime', options: { id, validityMs: -HOUR } },
  { name: 'lifetime that is no number', options: { id, validityMs: Number.NaN } },
])('signing is refused: $name', async ({ options }) => {
  await expect(ca.sign(csrPem, options)).rejects.toMatchObject({ code: 'SPIFFE_SIGNING_REFUSED' });
});

test('an expired authority signs nothing', async () => {
  let now = NOW;
  const old = await CertificateAuthority.create({ trustDomain: 'td', validityMs: HOUR, now: () => now });
  now += 2 * HOUR;
  const refused = { code: 'SPIFFE_SIGNING_REFUSED' };
  await expect(old.sign(csrPem, { id, validityMs: HOUR })).rejects.toMatchObject(refused);
  await expect(old.issueServer({ dnsNames: ['a'], ips: [] })).rejects.toMatchObject(refused);
});

test('a trust domain must be a DNS name', async () => {
  await expect(CertificateAuthority.create({ trustDomain: 'a/b' })).rejects.toMatchObject({
    code: 'SPIFFE_ID_INVALID',
  });
});

test('issueServer names hosts and addresses, for servers only', async () => {
  const { certPem } = await ca.issueServer({ dnsNames: ['istiod.istio-system.svc'], ips: ['127.0.0.1', '::1'] });
  const certificate = new X509Certificate(certPem);
  expect(certificate.checkHost('istiod.istio-system.svc')).toBe('istiod.istio-system.svc');
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(certificate.checkIP('::1')).toBe('::1');
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
});

test('with an intermediate, the chain is leaf, intermediate, root', async () => {
  const deep = await CertificateAuthority.create({ trustDomain: 'td', intermediate: true });
  const certificates = (await deep.sign(csrPem, { id, validityMs: HOUR })).map((pem) => new X509Certificate(pem));
  expect(certificates.map(({ ca: authority }) => authority)).toEqual([false, true, true]);
  expect(certificates.slice(0, 2).map((c, i) => c.verify(certificates[i + 1]?.publicKey ?? c.publicKey))).toEqual([
    true,
    true,
  ]);
});
