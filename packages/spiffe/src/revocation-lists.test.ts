import { X509Certificate } from 'node:crypto';
import { CertificateAuthority, isRefusal, RevocationLists, TrustBundle, verifyPeer } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';
import { der, integer, time } from './testing/der.ts';
import {
  authority,
  authorityKeyId,
  DAY,
  ECDSA_SHA1,
  extension,
  type Forged,
  forgeAuthority,
  forgeLeaf,
  ID,
  keyUsage,
  NOW,
  san,
  subjectKeyId,
} from './testing/forge.ts';
import { entry, forgeList, lists, serialOf } from './testing/forge-list.ts';

const root = forgeAuthority({ name: 'root' });
const middle = forgeAuthority({ name: 'middle', by: root });
const leaf = forgeLeaf({ by: middle });

function verdict(revoked: RevocationLists, chain: readonly Forged[] = [leaf, middle], roots = [root]): string {
  const result = verifyPeer({
    chain: chain.map((one) => one.der),
    roots: TrustBundle.parse(roots.map((one) => one.pem).join('')),
    usage: 'client',
    nowEpochMs: NOW,
    revoked,
    expect: 'anyone',
  });
  return isRefusal(result) ? result.code : 'ok';
}

const unrelated = forgeAuthority({ name: 'unrelated' });
const impostor = forgeAuthority({ name: 'middle' });
const other = forgeLeaf({ by: middle });
const REVOKED = 'SPIFFE_PEER_REVOKED';

test.each([
  { name: 'no list', revoked: RevocationLists.none, want: 'ok' },
  { name: 'leaf', revoked: lists(forgeList(middle, [leaf])), want: REVOKED },
  { name: 'leaf among others', revoked: lists(forgeList(middle, [other, leaf])), want: REVOKED },
  { name: 'intermediate', revoked: lists(forgeList(root, [middle])), want: REVOKED },
  { name: 'other leaf', revoked: lists(forgeList(middle, [other])), want: 'ok' },
  { name: 'an empty list', revoked: lists(forgeList(middle, [])), want: 'ok' },
  { name: 'unrelated issuer, same serial number', revoked: lists(forgeList(unrelated, [leaf, middle])), want: 'ok' },
  { name: 'the leaf, in the list of the root', revoked: lists(forgeList(root, [leaf])), want: 'ok' },
  { name: 'second of two lists', revoked: lists(forgeList(root, [other]), forgeList(middle, [leaf])), want: REVOKED },
  {
    name: 'two lists of one issuer',
    revoked: lists(forgeList(middle, [other]), forgeList(middle, [leaf])),
    want: REVOKED,
  },
  {
    name: 'long over',
    revoked: lists(forgeList(middle, [leaf], { nextUpdate: time(NOW - DAY + 1000) })),
    want: REVOKED,
  },
  {
    name: 'long over, not listed',
    revoked: lists(forgeList(middle, [], { nextUpdate: time(NOW - 1000) })),
    want: 'ok',
  },
  {
    name: 'reason and invalidity date',
    revoked: lists(forgeList(middle, [], { entries: [withReason()] })),
    want: REVOKED,
  },
  { name: 'signed by another key', revoked: lists(forgeList(impostor, [leaf])), want: 'SPIFFE_PEER_REVOCATION_LIST' },
  {
    name: 'signed by another key, leaf not listed',
    revoked: lists(forgeList(impostor, [])),
    want: 'SPIFFE_PEER_REVOCATION_LIST',
  },
  {
    name: 'weak signature',
    revoked: lists(forgeList(middle, [], { inner: ECDSA_SHA1 })),
    want: 'SPIFFE_PEER_REVOCATION_LIST',
  },
  {
    name: 'one good, one of another key',
    revoked: lists(forgeList(impostor, [leaf]), forgeList(middle, [])),
    want: 'ok',
  },
])('9 chain against $name: $want', ({ revoked, want }) => {
  expect(verdict(revoked)).toBe(want);
});

function withReason(): Buffer {
  return entry(serialOf(leaf), extension('2.5.29.21', der(0x0a, Buffer.from([1]))), extension('2.5.29.24', time(NOW)));
}

test('9 rollover: the list of the other key of the same name does not count', () => {
  const [old, next] = [1, 2].map((id) =>
    forgeAuthority({ name: 'r', extensions: [authority(), keyUsage(0x06), subjectKeyId(id)] }),
  );
  if (old === undefined || next === undefined) throw new Error('two were made');
  const byNext = forgeLeaf({ by: next, extensions: [authorityKeyId(2), san(ID)] });
  const ofOld = lists(forgeList(old, [byNext], { extensions: [authorityKeyId(1)] }));
  expect(verdict(ofOld, [byNext], [old, next])).toBe('ok');
  const ofBoth = lists(forgeList(old, []), forgeList(next, [byNext], { extensions: [authorityKeyId(2)] }));
  expect(verdict(ofBoth, [byNext], [old, next])).toBe(REVOKED);
});

test('9 an authority whose keyUsage lacks cRLSign revokes nothing, and its list is not trusted', () => {
  const by = forgeAuthority({ name: 'no crl', by: root, extensions: [authority(), keyUsage(0x04)] });
  expect(verdict(lists(forgeList(by, [])), [forgeLeaf({ by }), by])).toBe('SPIFFE_PEER_REVOCATION_LIST');
});

test('9 a revoked way beside a good one does not matter', () => {
  const again = forgeAuthority({ name: 'middle', keys: middle.keys, by: root, serial: integer(7) });
  expect(verdict(lists(forgeList(root, [middle])), [leaf, middle, again])).toBe('ok');
  expect(verdict(lists(forgeList(root, [middle, again])), [leaf, middle, again])).toBe(REVOKED);
});

test('9 100,000 entries are read at once, and found', () => {
  const many = Buffer.alloc(100_000 * entry(Buffer.alloc(16, 0x40)).length, entry(Buffer.alloc(16, 0x40)));
  const size = many.length / 100_000;
  for (let i = 0; i < 100_000; i++) many.writeUInt32BE(i, i * size + 10);
  const base64 = forgeList(middle, [], { entries: [many, entry(serialOf(leaf))] }).toString('base64');
  const file = Buffer.from(`-----BEGIN X509 CRL-----\n${base64}\n-----END X509 CRL-----\n`);
  const cpu = process.cpuUsage();
  const revoked = RevocationLists.parse(file);
  expect(process.cpuUsage(cpu).user).toBeLessThan(1_000_000);
  expect(revoked.size).toBe(100_001);
  expect(verdict(revoked)).toBe(REVOKED);
});

test('9 lists of the authority itself', async () => {
  const ca = await CertificateAuthority.create({ trustDomain: 'td', intermediate: true });
  const { chain } = await ca.issue({ uris: [ID] });
  const [one, between] = chain.map((text) => new X509Certificate(text));
  if (one === undefined || between === undefined) throw new Error('the chain has three');
  const roots = TrustBundle.parse(ca.rootPem);
  const ask = (text: string) =>
    verifyPeer({
      chain: [one.raw, between.raw],
      roots,
      usage: 'server',
      nowEpochMs: Date.now(),
      revoked: RevocationLists.parse(Buffer.from(text)),
      expect: 'anyone',
    });
  expect(ask(await ca.revocationList([]))).not.toHaveProperty('code');
  expect(ask(await ca.revocationList([one.serialNumber]))).toMatchObject({ code: REVOKED, alert: 44 });
  expect(ask(await ca.revocationList([between.serialNumber], 'root'))).toMatchObject({ code: REVOKED });
});
