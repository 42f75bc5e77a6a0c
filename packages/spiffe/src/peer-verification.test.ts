import { X509Certificate } from 'node:crypto';
import { CertificateAuthority, parseSpiffeId, verifyClientPeer, verifyServerPeer } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';

const ca = await CertificateAuthority.create({ trustDomain: 'td' });
const A = 'spiffe://td/ns/a/sa/a';
const B = 'spiffe://td/ns/b/sa/b';
const FOREIGN = 'spiffe://td2/ns/a/sa/a';

async function leafOf(spec: Parameters<typeof ca.issue>[0]) {
  return new X509Certificate((await ca.issue(spec)).chain[0] ?? '').raw;
}
const ids = (uris: string[]) => uris.map((uri) => parseSpiffeId(uri)).filter((id) => id !== undefined);

test.each([
  { name: 'own trust domain', spec: { uris: [A] }, got: undefined },
  { name: 'second SAN of the own trust domain', spec: { uris: [FOREIGN, A] }, got: undefined },
  { name: 'foreign trust domain', spec: { uris: [FOREIGN] }, got: FOREIGN },
  {
    name: 'two foreign ones',
    spec: { uris: [FOREIGN, 'spiffe://TD/ns/a/sa/a'] },
    got: `${FOREIGN},spiffe://TD/ns/a/sa/a`,
  },
  { name: 'only a DNS name', spec: { dnsNames: ['td'] }, got: '' },
  { name: 'no SAN', spec: {}, got: '' },
  { name: 'unparseable SPIFFE ID', spec: { uris: [`${A}/`] }, got: '' },
])('1.3 client with $name', async ({ spec, got }) => {
  const refusal = verifyClientPeer(await leafOf(spec), 'td');
  const message = `identity verification error: peer did not present the expected trustdomain (td), got ${got}`;
  const presented = ids(got?.split(',') ?? []);
  const certificateError = expect.stringMatching(/^Other\(OtherError\(SanTrustDomainError\("td", \[.*\]\)\)\)$/);
  const want = { code: 'SPIFFE_PEER_TRUST_DOMAIN', message, presented, certificateError, alert: 46 };
  expect(refusal).toEqual(got === undefined ? undefined : want);
});

test.each([
  { name: 'the SAN', spec: { uris: [A] }, want: [A], got: undefined },
  { name: 'one of the wanted', spec: { uris: [A] }, want: [B, A], got: undefined },
  { name: 'two SANs, one right', spec: { uris: [FOREIGN, A] }, want: [A], got: undefined },
  { name: 'another account', spec: { uris: [B] }, want: [A], got: B },
  { name: 'another trust domain', spec: { uris: [FOREIGN] }, want: [A, B], got: FOREIGN },
  { name: 'two wrong ones', spec: { uris: [FOREIGN, B] }, want: [A], got: `${FOREIGN},${B}` },
  { name: 'nothing wanted', spec: { uris: [A] }, want: [], got: A },
  { name: 'no SAN', spec: {}, want: [A], got: '' },
])('1.4 server with $name', async ({ spec, want, got }) => {
  const refusal = verifyServerPeer(await leafOf(spec), ids(want));
  const message = `identity verification error: peer did not present the expected SAN (${want.join(',')}), got ${got}`;
  const presented = ids(got?.split(',') ?? []);
  const certificateError = `Other(OtherError(${message}))`;
  const refused = { code: 'SPIFFE_PEER_SAN', message, presented, certificateError, alert: 46 };
  expect(refusal).toEqual(got === undefined ? undefined : refused);
});
