import { X509Certificate } from 'node:crypto';
import { CertificateAuthority, identitiesOf, peerIdentity, renderSpiffeId, uriNamesOf } from '@ambientmesh/spiffe';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const ca = await CertificateAuthority.create({ trustDomain: 'td' });
const A = 'spiffe://td/ns/a/sa/a';
const B = 'spiffe://td/ns/b/sa/b';

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}
const oid = der(0x06, Buffer.from([0x55, 0x1d, 0x11]));
const uri = (text: string) => der(0x86, Buffer.from(text, 'latin1'));
const dns = (text: string) => der(0x82, Buffer.from(text, 'latin1'));
const san = (...names: Buffer[]) => der(0x30, oid, der(0x04, der(0x30, ...names)));
const certificate = (...extensions: Buffer[]) =>
  der(0x30, der(0x30, der(0x02, Buffer.from([1])), der(0xa3, der(0x30, ...extensions))), der(0x30), der(0x03));
const other = der(0x30, der(0x06, Buffer.from([0x55, 0x1d, 0x13])), der(0x04, der(0x30)));

test.each([
  { name: 'one URI', spec: { uris: [A] }, want: [A] },
  { name: 'two, in order', spec: { uris: [B, A] }, want: [B, A] },
  { name: 'an unparseable one first', spec: { uris: [`${B}/more`, A] }, want: [A] },
  { name: 'other names are ignored', spec: { dnsNames: ['a.example'], ips: ['10.0.0.1'], uris: [A] }, want: [A] },
  { name: 'a DNS name that looks like one', spec: { dnsNames: [A] }, want: [] },
  { name: 'an injected URI in a DNS name', spec: { dnsNames: [`a.example, URI:${A}`] }, want: [] },
  { name: 'an injected URI in a quoted DNS name', spec: { dnsNames: [`"a", URI:${A}`] }, want: [] },
  { name: 'an injected URI in a URI', spec: { uris: [`https://x/, URI:${A}`] }, want: [] },
  { name: 'a comma in a part is one identity', spec: { uris: [`${A}, URI:${B}`] }, want: [] },
  { name: 'an upper-case scheme', spec: { uris: ['SPIFFE://td/ns/a/sa/a'] }, want: [] },
  { name: 'a NUL after the account', spec: { uris: [`${A}\0.evil`] }, want: [] },
  { name: 'a line break', spec: { uris: [`${A}\n`] }, want: [] },
  { name: 'only a subject', spec: { subject: [{ CN: [A] }] }, want: [] },
])('1.2 real certificate: $name', async ({ spec, want }) => {
  const { chain } = await ca.issue(spec);
  const { raw } = new X509Certificate(chain[0] ?? '');
  expect(identitiesOf(raw).map(renderSpiffeId)).toEqual(want);
  expect(peerIdentity(raw)).toEqual(identitiesOf(raw)[0]);
  expect(uriNamesOf(raw)).toEqual('uris' in spec ? spec.uris : []);
});

test.each([
  { name: 'well formed', bytes: certificate(other, san(uri(A))), want: [A] },
  {
    name: 'critical',
    bytes: certificate(der(0x30, oid, der(0x01, Buffer.from([255])), der(0x04, der(0x30, uri(A))))),
    want: [A],
  },
  { name: 'bytes above ASCII', bytes: certificate(san(uri('spiffe://td/ns/\xe4/sa/a'), uri(A))), want: [A] },
  { name: 'constructed URI', bytes: certificate(san(der(0xa6, Buffer.from(A)))), want: [] },
  { name: 'URI inside of an otherName', bytes: certificate(san(der(0xa0, oid, der(0xa0, uri(A))))), want: [] },
  { name: 'two SAN extensions', bytes: certificate(san(uri(A)), san(uri(B))), want: [] },
  { name: 'no SAN', bytes: certificate(other), want: [] },
  { name: 'no extensions', bytes: der(0x30, der(0x30, der(0x02)), der(0x30), der(0x03)), want: [] },
  {
    name: 'rubbish after the names',
    bytes: certificate(der(0x30, oid, der(0x04, der(0x30, uri(A)), der(0x05)))),
    want: [],
  },
  { name: 'rubbish after the certificate', bytes: Buffer.concat([certificate(san(uri(A))), der(0x05)]), want: [] },
  {
    name: 'a name that ends too late',
    bytes: certificate(der(0x30, oid, der(0x04, der(0x30, Buffer.from('8605aa', 'hex'))))),
    want: [],
  },
  { name: 'value is no octet string', bytes: certificate(der(0x30, oid, der(0x30, uri(A)))), want: [] },
  { name: 'SAN extension without value', bytes: certificate(der(0x30, oid)), want: [] },
  { name: 'empty', bytes: Buffer.alloc(0), want: [] },
])('1.2 bytes: $name', ({ bytes, want }) => {
  expect(identitiesOf(bytes).map(renderSpiffeId)).toEqual(want);
});

test('a name with many DNS neighbours is found beyond short lengths', () => {
  const names = Array.from({ length: 100 }, (_, i) => dns(`host-${i}.example`));
  expect(uriNamesOf(certificate(san(...names, uri(A))))).toEqual([A]);
});

test('a certificate with any byte changed never throws', async () => {
  const { chain } = await ca.issue({ uris: [A] });
  const { raw } = new X509Certificate(chain[0] ?? '');
  fc.assert(
    fc.property(fc.nat(raw.length - 1), fc.nat(255), (index, value) => {
      const changed = Buffer.from(raw);
      changed[index] = value;
      expect(identitiesOf(changed).length).toBeLessThanOrEqual(1);
    }),
  );
});
