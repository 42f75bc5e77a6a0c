/** Ways from a leaf to a root: which are found, and what looking for them costs. */

import { isRefusal, verifyPeer } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';
import {
  authority,
  authorityKeyId,
  commonName,
  DAY,
  ecKeys,
  forgeAuthority,
  NOW,
  subjectKeyId,
} from './testing/forge.ts';

import {
  answer,
  bundle,
  deep,
  good,
  ladder,
  leafBy,
  middle,
  rollover,
  root,
  stranger,
  unrelated,
} from './testing/questions.ts';

test('six intermediates are accepted, in any order', () => {
  const { chain } = ladder(6);
  const [leaf = good, ...others] = chain;
  expect(answer({ chain: [leaf, ...others.toReversed()] })).toBe('a');
});

test.each([
  { name: 'old key', by: 'old' },
  { name: 'new key', by: 'next' },
])('rollover: one name, two keys: $name', ({ by }) => {
  const keys = { old: forgeAuthority({ name: 'r' }), next: forgeAuthority({ name: 'r' }) };
  const signer = by === 'old' ? keys.old : keys.next;
  expect(answer({ chain: [leafBy(signer)], roots: [keys.old, keys.next] })).toBe('a');
  expect(answer({ chain: [leafBy(signer)], roots: [keys.next, keys.old] })).toBe('a');
  expect(answer(rollover(1))).toBe('a');
});

test('rollover: the new root, signed by the old one, for peers that have only the old one', () => {
  const old = forgeAuthority({ name: 'r', extensions: [authority(1), subjectKeyId(1)] });
  const next = forgeAuthority({ name: 'r', extensions: [authority(1), subjectKeyId(2)] });
  const cross = forgeAuthority({ name: 'r', keys: next.keys, by: old, extensions: [authority(0), subjectKeyId(2)] });
  const between = forgeAuthority({ name: 'm', by: next, extensions: [authority(0), authorityKeyId(2)] });
  const leaf = leafBy(between);
  expect(answer({ chain: [leaf, between, cross], roots: [old] })).toBe('SPIFFE_PEER_PATH_LENGTH');
  const free = forgeAuthority({ name: 'r', keys: next.keys, by: old, extensions: [authority(1), subjectKeyId(2)] });
  expect(answer({ chain: [leaf, free, between], roots: [old] })).toBe('a');
  expect(answer({ chain: [leaf, free, between], roots: [next] })).toBe('a');
});

test('cross-signed in a circle: the way to the root is found, and without it the search ends', () => {
  const [one, two] = [ecKeys(), ecKeys()];
  const names = { one: commonName('one'), two: commonName('two') };
  const oneByTwo = forgeAuthority({ name: 'one', keys: one, by: { keys: two, name: names.two } });
  const twoByOne = forgeAuthority({ name: 'two', keys: two, by: { keys: one, name: names.one } });
  const oneByRoot = forgeAuthority({ name: 'one', keys: one, by: root });
  const leaf = leafBy(oneByTwo);
  expect(answer({ chain: [leaf, oneByTwo, twoByOne] })).toBe('SPIFFE_PEER_UNKNOWN_ISSUER');
  expect(answer({ chain: [leaf, oneByTwo, twoByOne, oneByRoot] })).toBe('a');
});

test('an expired way beside a good one does not matter', () => {
  const keys = ecKeys();
  const stale = forgeAuthority({ name: 'x', keys, by: root, notAfter: NOW - 1000 });
  const fresh = forgeAuthority({ name: 'x', keys, by: root });
  expect(answer({ chain: [leafBy(fresh), stale, fresh] })).toBe('a');
});

test('nine authorities of one name that all might have signed each other cost little', () => {
  const swarm = Array.from({ length: 9 }, () => forgeAuthority({ name: 'root' }));
  const leaf = leafBy(swarm[0] ?? root, { by: stranger });
  const cpu = process.cpuUsage();
  expect(answer({ chain: [leaf, ...swarm] })).toMatch(/TOO_COMPLEX|SIGNATURE/);
  // Sixteen signatures of P-256; the exponential search would be 60,000.
  expect(process.cpuUsage(cpu).user).toBeLessThan(100_000);
});

test('a bundle of twenty roots of one name stays below the limit of signatures or is refused', () => {
  const roots = Array.from({ length: 20 }, () => forgeAuthority({ name: 'same' }));
  const [first = root] = roots;
  expect(answer({ chain: [leafBy(first)], roots })).toBe('a');
  expect(answer({ chain: [leafBy(roots[19] ?? root)], roots })).toBe('SPIFFE_PEER_TOO_COMPLEX');
});

test('what was verified once is not trusted by another bundle', () => {
  expect(answer({ chain: [deep, middle] })).toBe('a');
  expect(answer({ chain: [deep, middle] })).toBe('a');
  expect(answer({ chain: [deep, middle], roots: [unrelated] })).toBe('SPIFFE_PEER_UNKNOWN_ISSUER');
  expect(answer({ chain: [deep, middle], at: NOW + 2 * DAY })).toBe('SPIFFE_PEER_EXPIRED');
});

test('the chain is not kept: its bytes may change afterwards', () => {
  const [leaf, between] = [Buffer.from(deep.der), Buffer.from(middle.der)];
  const request = {
    chain: [leaf, between],
    roots: bundle,
    usage: 'client',
    nowEpochMs: NOW,
    expect: 'anyone',
  } as const;
  expect(isRefusal(verifyPeer(request))).toBe(false);
  between.fill(0);
  expect(isRefusal(verifyPeer(request))).toBe(true);
  expect(answer({ chain: [deep, middle] })).toBe('a');
});
