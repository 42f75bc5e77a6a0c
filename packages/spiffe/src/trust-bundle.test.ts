import { CertificateAuthority, TrustBundle } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';

const [one, two] = await Promise.all([
  CertificateAuthority.create({ trustDomain: 'td' }),
  CertificateAuthority.create({ trustDomain: 'td' }),
]);
const BAD = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
const CUT = '-----BEGIN CERTIFICATE-----\nAAAA\n';
const KEY = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n';

test.each([
  { name: 'one root', text: one.rootPem, roots: [one.rootPem], skipped: 0 },
  { name: 'two roots', text: one.rootPem + two.rootPem, roots: [one.rootPem, two.rootPem], skipped: 0 },
  { name: 'the same twice', text: one.rootPem + one.rootPem, roots: [one.rootPem], skipped: 0 },
  { name: 'a bad one between', text: one.rootPem + BAD + two.rootPem, roots: [one.rootPem, two.rootPem], skipped: 1 },
  { name: 'a cut one before', text: CUT + two.rootPem, roots: [two.rootPem], skipped: 1 },
  { name: 'a cut one after', text: one.rootPem + CUT, roots: [one.rootPem], skipped: 1 },
  { name: 'comments and keys', text: `# a\n${KEY}${one.rootPem}# b\n`, roots: [one.rootPem], skipped: 0 },
  { name: 'line ends of Windows', text: one.rootPem.replaceAll('\n', '\r\n'), roots: [one.rootPem], skipped: 0 },
])('1.5 bundle of $name', ({ text, roots, skipped }) => {
  const bundle = TrustBundle.parse(text);
  expect(bundle.roots).toEqual(roots);
  expect(bundle.pem).toBe(roots.join(''));
  expect(bundle.skipped).toHaveLength(skipped);
});

test.each(['', 'nonsense', BAD, CUT, KEY])('1.5 a bundle without a root is refused: %j', (text) => {
  expect(() => TrustBundle.parse(text)).toThrow(expect.objectContaining({ code: 'SPIFFE_ROOT_MISSING' }));
});

test('join keeps the order and each root once', () => {
  const a = TrustBundle.parse(one.rootPem);
  const b = TrustBundle.parse(two.rootPem + one.rootPem);
  expect(a.join(b).roots).toEqual([one.rootPem, two.rootPem]);
});
