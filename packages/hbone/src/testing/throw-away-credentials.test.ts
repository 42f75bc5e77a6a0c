import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { createThrowAwayAuthority } from './throw-away-credentials.ts';

test('an authority for trying things out issues what OpenSSL takes', () => {
  const authority = createThrowAwayAuthority();
  const [one, other] = ['spiffe://a/ns/b/sa/c', `spiffe://a/ns/b/sa/${'d'.repeat(300)}`].map((uri) => {
    const { chainPem, rootsPem, privateKeyPem } = authority.issue(uri);
    return { uri, leaf: new X509Certificate(chainPem), root: new X509Certificate(rootsPem[0] ?? ''), privateKeyPem };
  });
  for (const { uri, leaf, root } of [one!, other!]) {
    expect(leaf.subjectAltName).toBe(`URI:${uri}`);
    expect([
      root.ca,
      leaf.ca,
      leaf.checkIssued(root),
      leaf.verify(root.publicKey),
      root.verify(root.publicKey),
    ]).toEqual([true, false, true, true, true]);
  }
  expect(one!.privateKeyPem).not.toBe(other!.privateKeyPem);
});
