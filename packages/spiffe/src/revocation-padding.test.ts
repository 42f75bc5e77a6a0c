/** Whatever a revoked peer adds to its chain, it stays revoked (hbone.md §9). */

import { isRefusal, PresentedChain, type RevocationLists, TrustBundle, verifyPeer } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';
import { integer } from './testing/der.ts';
import {
  authority,
  authorityKeyId,
  ECDSA_SHA1,
  ecKeys,
  extension,
  type Forged,
  forge,
  forgeAuthority,
  forgeLeaf,
  ID,
  keyUsage,
  NOW,
  san,
  subjectKeyId,
} from './testing/forge.ts';
import { entry, forgeList, lists } from './testing/forge-list.ts';

const root = forgeAuthority({ name: 'root' });
const middle = forgeAuthority({ name: 'middle', by: root });
const leaf = forgeLeaf({ by: middle });
const direct = forgeLeaf({ by: root });
const other = forgeLeaf({ by: middle });
const roots = TrustBundle.parse(root.pem);
const REVOKED = 'SPIFFE_PEER_REVOKED';
const BAD_LIST = 'SPIFFE_PEER_REVOCATION_LIST';

function presented(revoked: RevocationLists, chain: readonly Pick<Forged, 'der'>[], bundle = roots): string {
  const read = PresentedChain.read(chain.map(({ der }) => der));
  return revoked.problem(read, bundle)?.code ?? 'ok';
}

function verified(revoked: RevocationLists, chain: readonly Pick<Forged, 'der'>[]): string {
  const ders = chain.map(({ der }) => der);
  const answer = verifyPeer({ chain: ders, roots, usage: 'client', nowEpochMs: NOW, revoked, expect: 'anyone' });
  return isRefusal(answer) ? answer.code : 'ok';
}

const junk = {
  expired: forgeAuthority({ name: 'middle', notAfter: NOW - 1000 }),
  notForCertificates: forgeAuthority({ name: 'middle', extensions: [authority(), keyUsage(0x02)] }),
  notForLists: forgeAuthority({ name: 'middle', extensions: [authority(), keyUsage(0x04)] }),
  unreadableExtension: forgeAuthority({ name: 'middle', extensions: [extension('2.5.29.15', Buffer.from('x'))] }),
  versionOne: forge({ name: 'middle', version: Buffer.of(0) }),
  negative: forgeAuthority({ name: 'middle', serial: integer(0x80) }),
};
const swarm = Array.from({ length: 9 }, () => forgeAuthority({ name: 'root' }));

test.each([
  { name: 'nothing', chain: [leaf, middle], list: forgeList(middle, [leaf]) },
  { name: 'an expired namesake before', chain: [leaf, junk.expired, middle], list: forgeList(middle, [leaf]) },
  { name: 'an expired namesake behind', chain: [leaf, middle, junk.expired], list: forgeList(middle, [leaf]) },
  { name: 'one that may not certify', chain: [leaf, junk.notForCertificates, middle], list: forgeList(middle, [leaf]) },
  { name: 'one that may sign no lists', chain: [leaf, junk.notForLists, middle], list: forgeList(middle, [leaf]) },
  {
    name: 'one with a bad extension',
    chain: [leaf, junk.unreadableExtension, middle],
    list: forgeList(middle, [leaf]),
  },
  { name: 'one of version 1', chain: [leaf, junk.versionOne, middle], list: forgeList(middle, [leaf]) },
  { name: 'one of a negative number', chain: [leaf, junk.negative, middle], list: forgeList(middle, [leaf]) },
  { name: 'nine self-made roots', chain: [direct, ...swarm], list: forgeList(root, [direct]) },
  {
    name: 'eight self-made roots, intermediate',
    chain: [leaf, middle, ...swarm.slice(1)],
    list: forgeList(root, [middle]),
  },
  { name: 'junk before a revoked intermediate', chain: [leaf, junk.expired, middle], list: forgeList(root, [middle]) },
])('9 revoked with $name in its chain', ({ chain, list }) => {
  expect(presented(lists(list), chain)).toBe(REVOKED);
  // What verifyPeer cannot read it refuses as such.
  expect(verified(lists(list), chain)).toMatch(/REVOKED|MALFORMED/);
});

test('9 what makes a peer unacceptable otherwise does not hide that it is revoked', () => {
  const stale = forgeLeaf({ by: middle, notAfter: NOW - 1000 });
  expect(verified(lists(forgeList(middle, [stale])), [stale, middle])).toBe(REVOKED);
  expect(verified(lists(forgeList(middle, [])), [stale, middle])).toBe('SPIFFE_PEER_EXPIRED');
});

const odd = forgeAuthority({
  name: 'middle',
  serial: integer(0x80),
  by: root,
  extensions: [authority(), keyUsage(0x06)],
});
const noLists = forgeAuthority({ name: 'middle', by: root, extensions: [authority(), keyUsage(0x04)] });
const keyed = forgeAuthority({ name: 'middle', by: root, extensions: [authority(), subjectKeyId(1)] });
const ofKeyed = forgeLeaf({ by: keyed, extensions: [authorityKeyId(1), san(ID)], serial: integer(0, 0x85) });
const impostor = forgeAuthority({ name: 'middle' });
const unrelated = forgeAuthority({ name: 'unrelated' });
const keyId = (id: number) => ({ extensions: [authorityKeyId(id)] });

test.each([
  { name: 'another leaf listed', chain: [leaf, middle], list: forgeList(middle, [other]), want: 'ok' },
  { name: "another authority's list", chain: [leaf, middle], list: forgeList(unrelated, [leaf, middle]), want: 'ok' },
  { name: 'listed by an impostor', chain: [leaf, middle], list: forgeList(impostor, [leaf]), want: BAD_LIST },
  { name: 'the list of an impostor', chain: [leaf, middle], list: forgeList(impostor, []), want: BAD_LIST },
  {
    name: 'a weak signature',
    chain: [leaf, middle],
    list: forgeList(middle, [], { inner: ECDSA_SHA1 }),
    want: BAD_LIST,
  },
  {
    name: 'an authority without cRLSign',
    chain: [leafOf(noLists), noLists],
    list: forgeList(noLists, []),
    want: BAD_LIST,
  },
  { name: 'an authority of odd form', chain: [leafOf(odd), odd], list: forgeList(odd, [leafOf(odd)]), want: 'ok' },
  { name: 'the issuer not presented', chain: [leaf], list: forgeList(middle, []), want: 'ok' },
  { name: 'the issuer not presented, listed', chain: [leaf], list: forgeList(middle, [leaf]), want: BAD_LIST },
  {
    name: 'the list of another key of the name',
    chain: [ofKeyed, keyed],
    list: forgeList(impostor, [other], keyId(2)),
    want: 'ok',
  },
  {
    name: 'listed by another key of the name, which nobody presents',
    chain: [ofKeyed, keyed],
    list: forgeList(impostor, [ofKeyed], keyId(2)),
    want: BAD_LIST,
  },
  {
    name: "a key identifier that is not the signer's, in a presented chain",
    chain: [ofKeyed, keyed],
    list: forgeList(keyed, [ofKeyed], keyId(2)),
    want: BAD_LIST,
  },
  {
    name: 'a number without its leading zero',
    chain: [ofKeyed, keyed],
    list: forgeList(keyed, [], { entries: [entry(Buffer.of(0x85))] }),
    want: REVOKED,
  },
  {
    name: 'a number with more zeros',
    chain: [ofKeyed, keyed],
    list: forgeList(keyed, [], { entries: [entry(Buffer.of(0, 0, 0x85))] }),
    want: REVOKED,
  },
  {
    name: 'an unreadable one in between',
    chain: [leaf, { der: Buffer.from('x') }],
    list: forgeList(root, []),
    want: 'SPIFFE_PEER_MALFORMED',
  },
])('9 presented chain against $name: $want', ({ chain, list, want }) => {
  expect(presented(lists(list), chain)).toBe(want);
});

function dersOf(chain: readonly Pick<Forged, 'der'>[]): Uint8Array[] {
  return chain.map(({ der }) => der);
}

function readChain(...certificates: readonly Forged[]): PresentedChain {
  return PresentedChain.read(certificates.map(({ der }) => der));
}

function leafOf(by: Forged): Forged {
  return forgeLeaf({ by });
}

test('9 two lists of one name: one good is enough, unless the other lists the peer', () => {
  expect(presented(lists(forgeList(impostor, []), forgeList(middle, [])), [leaf, middle])).toBe('ok');
  expect(presented(lists(forgeList(impostor, [leaf]), forgeList(middle, [])), [leaf, middle])).toBe(BAD_LIST);
  expect(presented(lists(forgeList(impostor, [leaf]), forgeList(middle, [leaf])), [leaf, middle])).toBe(REVOKED);
});

test('9 authorities of any key may sign lists', () => {
  const large = forgeAuthority({ name: 'large', keys: ecKeys('P-521') });
  const bundle = TrustBundle.parse(large.pem);
  const below = forgeLeaf({ by: large });
  expect(presented(lists(forgeList(large, [below])), [below], bundle)).toBe(REVOKED);
  expect(presented(lists(forgeList(large, [other])), [below], bundle)).toBe('ok');
});

test('9 why a list does not count is told as the reference tells it', () => {
  expect(lists(forgeList(impostor, [])).problem(readChain(leaf, middle), roots)).toMatchObject({
    certificateError: 'InvalidCertRevocationList(BadSignature)',
  });
  expect(lists(forgeList(noLists, [])).problem(readChain(leafOf(noLists), noLists), roots)).toMatchObject({
    certificateError: 'InvalidCertRevocationList(IssuerInvalidForCrl)',
  });
});

test('9 more namesakes than could matter cost no more than a few signatures, and let nobody in', () => {
  const many = Array.from({ length: 60 }, () => forgeAuthority({ name: 'middle' }));
  const revoked = lists(forgeList(middle, []));
  const cpu = process.cpuUsage();
  expect(presented(revoked, [leaf, ...many])).toBe(BAD_LIST);
  expect(process.cpuUsage(cpu).user).toBeLessThan(50_000);
  expect(presented(revoked, [leaf, middle])).toBe('ok');
  expect(presented(revoked, [leaf, ...many, middle])).toBe('ok');
});

test('9 a root signs also lists with a wrong key identifier', () => {
  const anchor = forgeAuthority({ name: 'anchor', extensions: [authority(), subjectKeyId(1)] });
  const below = forgeLeaf({ by: anchor, extensions: [authorityKeyId(1), san(ID)] });
  const bundle = TrustBundle.parse(anchor.pem);
  expect(presented(lists(forgeList(anchor, [below], keyId(2))), [below], bundle)).toBe(REVOKED);
});

const large = Buffer.alloc(200_000 * entry(Buffer.alloc(16, 0x40)).length, entry(Buffer.alloc(16, 0x40)));
const oldRoot = forgeAuthority({ name: 'root' });
const oldMiddle = forgeAuthority({ name: 'middle' });

// One try of a key hashes the list: 7 MB.
test.each([
  { name: 'root', list: forgeList(root, []), old: forgeList(oldRoot, [], { entries: [large] }), chain: [direct] },
  {
    name: 'middle',
    list: forgeList(middle, []),
    old: forgeList(oldMiddle, [], { entries: [large] }),
    chain: [leaf, middle],
  },
])(
  '9 rollover: new namesakes of $name at each handshake are not tried on the old list',
  ({ name, list, old, chain }) => {
    const revoked = lists(list, old);
    const handshakes = Array.from({ length: 12 }, () => {
      const fresh = Array.from({ length: 15 }, () => forgeAuthority({ name }));
      return readChain(...chain, ...fresh);
    });
    expect(presented(revoked, chain)).toBe('ok');
    const cpu = process.cpuUsage();
    for (const handshake of handshakes) expect(revoked.problem(handshake, roots)).toBeUndefined();
    expect(process.cpuUsage(cpu).user).toBeLessThan(60_000);
  },
);

test('9 of new namesakes four are tried on a list that nobody has signed, and not again', () => {
  const revoked = lists(forgeList(oldMiddle, [], { entries: [large] }));
  const one = readChain(leaf, oldRoot, oldMiddle);
  const of = (count: number) =>
    readChain(leaf, ...Array.from({ length: count }, () => forgeAuthority({ name: 'middle' })));
  const cost = (chain: PresentedChain): number => {
    const cpu = process.cpuUsage();
    expect(revoked.problem(chain, roots)?.code).toBe(BAD_LIST);
    return process.cpuUsage(cpu).user;
  };
  const few = of(4);
  const manyTimes = Array.from({ length: 10 }, () => of(30));
  const base = cost(few);
  const total = manyTimes.reduce((sum, chain) => sum + cost(chain), 0);
  expect(total).toBeLessThan(base * 10 * 4);
  // More than 64 keys did not sign by now; the newest are remembered.
  for (let i = 0; i < 10; i++) cost(of(4));
  const last = of(4);
  cost(last);
  expect(cost(last)).toBeLessThan(base / 4);
  expect(revoked.problem(one, roots)).toBeUndefined();
});

test('9 what has a serial number on a list of its issuer is told without any key', () => {
  const revoked = lists(forgeList(impostor, [leaf]), forgeList(root, [other]));
  expect(revoked.listsAny(dersOf([leaf, middle]))).toBe(true);
  expect(revoked.listsAny(dersOf([middle, leaf]))).toBe(true);
  expect(revoked.listsAny(dersOf([other, middle]))).toBe(false);
  expect(revoked.listsAny([Buffer.from('x')])).toBe(false);
  expect(lists(forgeList(root, [middle])).listsAny(dersOf([leaf, middle]))).toBe(true);
});

test('9 a long chain with a list of each issuer is accepted at once', () => {
  const chain = [root];
  for (let depth = 0; depth < 6; depth++) {
    const by = chain.at(-1);
    if (by !== undefined) chain.push(forgeAuthority({ name: `authority ${depth}`, by }));
  }
  const last = chain.at(-1) ?? root;
  const revoked = lists(...chain.map((issuer) => forgeList(issuer, [])));
  expect(presented(revoked, [forgeLeaf({ by: last }), ...chain.slice(1).toReversed()])).toBe('ok');
});

test.each([4, 5, 9])('9 %i lists of one name, of as many keys: who has the last key is judged by its list', (count) => {
  const keys = Array.from({ length: count }, () => forgeAuthority({ name: 'middle', by: root }));
  const last = keys.at(-1) ?? middle;
  const bad = forgeLeaf({ by: last });
  const revoked = lists(...keys.map((issuer) => forgeList(issuer, issuer === last ? [bad] : [])));
  expect(presented(revoked, [forgeLeaf({ by: last }), last])).toBe('ok');
  expect(presented(revoked, [bad, last])).toBe(REVOKED);
});
