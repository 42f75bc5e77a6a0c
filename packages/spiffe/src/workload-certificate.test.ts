import { X509Certificate } from 'node:crypto';
import {
  CertificateAuthority,
  createKeyAndCsr,
  parseWorkloadCertificate,
  SpiffeError,
  type SpiffeId,
} from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
const expected: SpiffeId = { trustDomain: 'td', namespace: 'default', serviceAccount: 'sa-a' };
const id = 'spiffe://td/ns/default/sa/sa-a';
const ca = await CertificateAuthority.create({ trustDomain: 'td', now: () => NOW, intermediate: true });
const otherCa = await CertificateAuthority.create({ trustDomain: 'td' });

test('8 an answer is read: leaf, intermediate, two roots, one unreadable', async () => {
  const { privateKeyPem, csrPem } = await createKeyAndCsr(expected);
  const [leaf = '', intermediate = '', root = ''] = await ca.sign(csrPem, { id: expected, validityMs: HOUR });
  const bad = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  const answer = [leaf, intermediate, root + bad + otherCa.rootPem];
  const certificate = parseWorkloadCertificate({ privateKeyPem, chain: answer, expected });
  expect(certificate).toMatchObject({
    privateKeyPem,
    chainPem: leaf + intermediate,
    rootsPem: [root, otherCa.rootPem],
    identity: expected,
    serialNumber: BigInt(`0x${new X509Certificate(leaf).serialNumber}`).toString(),
    notBeforeEpochMs: NOW - 120_000,
    notAfterEpochMs: NOW + HOUR,
    renewAtEpochMs: NOW - 60_000 + HOUR / 2,
  });
  expect(certificate.skippedRoots).toHaveLength(1);
});

const issued = await ca.issue({ uris: [id, 'spiffe://td/ns/x/sa/y'] });
const [goodLeaf = '', intermediate = '', root = ''] = issued.chain;
const second = await ca.issue({ uris: ['spiffe://td/ns/default/sa/sa-b', id] });
const foreign = await ca.issue({ uris: ['spiffe://td2/ns/default/sa/sa-a'] });
const unparseable = await ca.issue({ uris: [`${id}/`, id] });
const nameless = await ca.issue({});

test.each([
  { name: 'two SANs, the first right', answer: issued, code: undefined },
  { name: 'nothing', answer: { ...issued, chain: [] }, code: 'SPIFFE_CERTIFICATE_INVALID' },
  { name: 'the leaf alone', answer: { ...issued, chain: [goodLeaf] }, code: 'SPIFFE_ROOT_MISSING' },
  { name: 'no root in the bundle', answer: { ...issued, chain: [goodLeaf, 'x'] }, code: 'SPIFFE_ROOT_MISSING' },
  { name: 'a leaf that is none', answer: { ...issued, chain: ['x', root] }, code: 'SPIFFE_CERTIFICATE_INVALID' },
  { name: 'two leaves', answer: { ...issued, chain: [goodLeaf + goodLeaf, root] }, code: 'SPIFFE_CERTIFICATE_INVALID' },
  {
    name: 'a bad intermediate',
    answer: { ...issued, chain: [goodLeaf, '', root] },
    code: 'SPIFFE_CERTIFICATE_INVALID',
  },
  { name: 'another key', answer: { ...issued, privateKeyPem: second.privateKeyPem }, code: 'SPIFFE_KEY_MISMATCH' },
  { name: 'no key', answer: { ...issued, privateKeyPem: '' }, code: 'SPIFFE_KEY_MISMATCH' },
  { name: 'the right SAN second', answer: second, code: 'SPIFFE_SAN_UNEXPECTED' },
  { name: 'another trust domain', answer: foreign, code: 'SPIFFE_SAN_UNEXPECTED' },
  { name: 'a first SAN that does not parse', answer: unparseable, code: 'SPIFFE_SAN_UNEXPECTED' },
  { name: 'no SAN', answer: nameless, code: 'SPIFFE_SAN_UNEXPECTED' },
])('8 answer with $name', ({ answer, code }) => {
  const { privateKeyPem, chain } = answer;
  const outcome = codeOf(() => parseWorkloadCertificate({ privateKeyPem, chain, expected }));
  expect(outcome).toBe(code);
});

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof SpiffeError ? error.code : String(error);
  }
}

test.each([
  { chain: second.chain, key: second.privateKeyPem, text: `did not find expected SAN: ${id}` },
  {
    chain: [goodLeaf],
    key: issued.privateKeyPem,
    text: 'failed to create CSR: invalid root certificate: no root certificate present',
  },
])('11.1 text: $text', ({ chain, key, text }) => {
  expect(() => parseWorkloadCertificate({ privateKeyPem: key, chain, expected })).toThrow(
    expect.objectContaining({ message: text }),
  );
});

test('the intermediate verifies the leaf, the root the intermediate', () => {
  const [l, i, r] = [goodLeaf, intermediate, root].map((pem) => new X509Certificate(pem));
  expect(i && l?.verify(i.publicKey)).toBe(true);
  expect(r && i?.verify(r.publicKey)).toBe(true);
});
