import { isRefusal, type PeerVerification, TrustBundle, verifyPeer } from '@ambientmesh/spiffe';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  authority,
  authorityKeyId,
  forgeAuthority,
  forgeLeaf,
  ID,
  keyUsage,
  NOW,
  notAuthority,
  purposes,
  san,
  subjectKeyId,
} from './testing/forge.ts';

const root = forgeAuthority({ name: 'root', extensions: [authority(), keyUsage(0x06), subjectKeyId(1)] });
const middle = forgeAuthority({
  name: 'middle',
  by: root,
  extensions: [authority(0), authorityKeyId(1), subjectKeyId(2)],
});
const leaf = forgeLeaf({
  by: middle,
  extensions: [notAuthority(), keyUsage(0x80), purposes(1, 2), authorityKeyId(2), san(ID)],
});
const roots = TrustBundle.parse(root.pem);
const good = [leaf.der, middle.der] as const;

function ask(chain: readonly Uint8Array[]): ReturnType<typeof verifyPeer> {
  const request: PeerVerification = { chain, roots, usage: 'client', nowEpochMs: NOW, expect: { trustDomain: 'td' } };
  return verifyPeer(request);
}

test('the good chain verifies', () => {
  expect(ask(good)).toEqual({
    identity: { trustDomain: 'td', namespace: 'default', serviceAccount: 'a' },
    identities: [expect.anything()],
  });
});

test('with any single bit of the leaf or the intermediate flipped it never verifies', () => {
  const bit = fc.integer({ min: 0, max: 7 });
  fc.assert(
    fc.property(fc.constantFrom(0, 1), fc.nat(), bit, (which, place, shift) => {
      const changed = good.map((der) => Buffer.from(der));
      const target = changed[which];
      if (target === undefined) return;
      const index = place % target.length;
      target[index] = (target[index] ?? 0) ^ (1 << shift);
      expect(isRefusal(ask(changed))).toBe(true);
    }),
    { numRuns: 800 },
  );
});

test('cut, longer, or with bytes put in between it never verifies', () => {
  fc.assert(
    fc.property(fc.nat(leaf.der.length - 1), fc.uint8Array({ maxLength: 8 }), fc.nat(8), (place, bytes, drop) => {
      const changed = Buffer.concat([leaf.der.subarray(0, place), bytes, leaf.der.subarray(place + drop)]);
      expect(isRefusal(ask([changed, middle.der]))).toBe(!changed.equals(leaf.der));
    }),
    { numRuns: 500 },
  );
});

test('random bytes, and any mixture of certificates, never throw', () => {
  const certificate = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(leaf.der, middle.der, root.der));
  fc.assert(
    fc.property(fc.array(certificate, { maxLength: 12 }), (chain) => {
      const verified = !isRefusal(ask(chain));
      expect(verified && (chain[0] !== leaf.der || !chain.includes(middle.der))).toBe(false);
    }),
    { numRuns: 500 },
  );
});
