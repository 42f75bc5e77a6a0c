import { X509Certificate } from 'node:crypto';
import { CertificateAuthority, isRefusal, RevocationLists, TrustBundle, verifyPeer } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';
import { der, derOf, integer, oid, pem, sequence, time } from './testing/der.ts';
import {
  authority,
  authorityKeyId,
  DAY,
  ECDSA_SHA1,
  ECDSA_SHA256,
  ECDSA_SHA384,
  extension,
  type Forged,
  forgeAuthority,
  forgeLeaf,
  ID,
  keyUsage,
  NOW,
  san,
  signed,
  subjectKeyId,
} from './testing/forge.ts';

const root = forgeAuthority({ name: 'root' });
const middle = forgeAuthority({ name: 'middle', by: root });
const leaf = forgeLeaf({ by: middle });
const serialOf = ({ der: bytes }: Forged): Buffer => Buffer.from(new X509Certificate(bytes).serialNumber, 'hex');

interface ListSpec {
  readonly version?: Buffer;
  readonly entries?: readonly Buffer[];
  readonly noEntries?: boolean;
  readonly nextUpdate?: Buffer;
  readonly extensions?: readonly Buffer[];
  readonly outer?: typeof ECDSA_SHA384;
  readonly inner?: typeof ECDSA_SHA1;
  readonly more?: readonly Buffer[];
}

/** DER of a list of `by` that revokes these certificates. */
function list(by: Pick<Forged, 'keys' | 'name'>, revoked: readonly Forged[], spec: ListSpec = {}): Buffer {
  const scheme = spec.inner ?? ECDSA_SHA256;
  const entries = spec.entries ?? revoked.map((one) => entry(serialOf(one)));
  const body = sequence(
    spec.version ?? integer(1),
    scheme.algorithm,
    by.name,
    time(NOW - DAY),
    ...(spec.nextUpdate === undefined ? [] : [spec.nextUpdate]),
    ...(entries.length === 0 ? [] : [derOf(0x30, Buffer.concat(entries))]),
    ...(spec.extensions === undefined ? [] : [der(0xa0, sequence(...spec.extensions))]),
    ...(spec.more ?? []),
  );
  return signed(body, by.keys, scheme, spec.outer);
}

function entry(serial: Uint8Array, ...extensions: readonly Buffer[]): Buffer {
  return sequence(integer(...serial), time(NOW - DAY), ...(extensions.length === 0 ? [] : [sequence(...extensions)]));
}

function lists(...ders: readonly Buffer[]): RevocationLists {
  return RevocationLists.parse(Buffer.from(ders.map((one) => pem('X509 CRL', one)).join('')));
}

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
  { name: 'leaf', revoked: lists(list(middle, [leaf])), want: REVOKED },
  { name: 'leaf among others', revoked: lists(list(middle, [other, leaf])), want: REVOKED },
  { name: 'intermediate', revoked: lists(list(root, [middle])), want: REVOKED },
  { name: 'other leaf', revoked: lists(list(middle, [other])), want: 'ok' },
  { name: 'an empty list', revoked: lists(list(middle, [])), want: 'ok' },
  { name: 'unrelated issuer, same serial number', revoked: lists(list(unrelated, [leaf, middle])), want: 'ok' },
  { name: 'the leaf, in the list of the root', revoked: lists(list(root, [leaf])), want: 'ok' },
  { name: 'second of two lists', revoked: lists(list(root, [other]), list(middle, [leaf])), want: REVOKED },
  { name: 'two lists of one issuer', revoked: lists(list(middle, [other]), list(middle, [leaf])), want: REVOKED },
  { name: 'long over', revoked: lists(list(middle, [leaf], { nextUpdate: time(NOW - DAY + 1000) })), want: REVOKED },
  { name: 'long over, not listed', revoked: lists(list(middle, [], { nextUpdate: time(NOW - 1000) })), want: 'ok' },
  { name: 'reason and invalidity date', revoked: lists(list(middle, [], { entries: [withReason()] })), want: REVOKED },
  { name: 'signed by another key', revoked: lists(list(impostor, [leaf])), want: 'SPIFFE_PEER_REVOCATION_LIST' },
  {
    name: 'signed by another key, leaf not listed',
    revoked: lists(list(impostor, [])),
    want: 'SPIFFE_PEER_REVOCATION_LIST',
  },
  {
    name: 'weak signature',
    revoked: lists(list(middle, [], { inner: ECDSA_SHA1 })),
    want: 'SPIFFE_PEER_REVOCATION_LIST',
  },
  { name: 'one good, one of another key', revoked: lists(list(impostor, [leaf]), list(middle, [])), want: 'ok' },
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
  const ofOld = lists(list(old, [byNext], { extensions: [authorityKeyId(1)] }));
  expect(verdict(ofOld, [byNext], [old, next])).toBe('ok');
  const ofBoth = lists(list(old, []), list(next, [byNext], { extensions: [authorityKeyId(2)] }));
  expect(verdict(ofBoth, [byNext], [old, next])).toBe(REVOKED);
});

test('9 an authority whose keyUsage lacks cRLSign revokes nothing, and its list is not trusted', () => {
  const by = forgeAuthority({ name: 'no crl', by: root, extensions: [authority(), keyUsage(0x04)] });
  expect(verdict(lists(list(by, [])), [forgeLeaf({ by }), by])).toBe('SPIFFE_PEER_REVOCATION_LIST');
});

test('9 a revoked way beside a good one does not matter', () => {
  const again = forgeAuthority({ name: 'middle', keys: middle.keys, by: root, serial: integer(7) });
  expect(verdict(lists(list(root, [middle])), [leaf, middle, again])).toBe('ok');
  expect(verdict(lists(list(root, [middle, again])), [leaf, middle, again])).toBe(REVOKED);
});

const good = list(middle, [leaf]);
const block = pem('X509 CRL', good);

test.each([
  { name: 'empty', file: '', count: 0, size: 0 },
  { name: 'only line ends', file: '\n\n', count: 0, size: 0 },
  { name: 'only other blocks', file: root.pem, count: 0, size: 0 },
  { name: 'one', file: block, count: 1, size: 1 },
  { name: 'text around', file: `# ours\n${block}# end\n`, count: 1, size: 1 },
  { name: 'line ends of Windows', file: block.replaceAll('\n', '\r\n'), count: 1, size: 1 },
  { name: 'other blocks between', file: block + root.pem + pem('X509 CRL', list(root, [])), count: 2, size: 1 },
  { name: 'DER', file: good, count: 1, size: 1 },
  { name: 'version 1', file: list(middle, [leaf], { version: Buffer.alloc(0) }), count: 1, size: 1 },
  {
    name: 'CRL number',
    file: list(middle, [leaf], { extensions: [extension('2.5.29.20', integer(9), true)] }),
    count: 1,
    size: 1,
  },
])('9 file: $name', ({ file, count, size }) => {
  const read = RevocationLists.parse(Buffer.from(file));
  expect({ count: read.count, size: read.size }).toEqual({ count, size });
});

const partial = extension('2.5.29.28', sequence(der(0x81, Buffer.from([255]))), true);

test.each([
  { name: 'garbage', file: 'garbage', why: /neither PEM nor DER/ },
  { name: 'cut PEM', file: block.slice(0, -30), why: /PEM block is cut/ },
  { name: 'no base64', file: block.replace('M', '*'), why: /no base64/ },
  { name: 'one good, one bad block', file: block + pem('X509 CRL', Buffer.from('x')), why: /outer sequence/ },
  { name: 'cut DER', file: good.subarray(0, -1), why: /outer sequence/ },
  { name: 'a certificate under the wrong name', file: pem('X509 CRL', root.der), why: /cannot be used/ },
  { name: 'version 3', file: list(middle, [], { version: integer(2) }), why: /version/ },
  { name: 'two algorithms', file: list(middle, [], { outer: ECDSA_SHA384 }), why: /two signature algorithms/ },
  { name: 'delta', file: list(middle, [], { extensions: [extension('2.5.29.27', integer(1), true)] }), why: /delta/ },
  {
    name: 'issuingDistributionPoint',
    file: list(middle, [], { extensions: [partial] }),
    why: /some certificates only/,
  },
  {
    name: 'critical extension',
    file: list(middle, [], { extensions: [extension('1.2.3', integer(1), true)] }),
    why: /1\.2\.3/,
  },
  {
    name: 'indirect entry',
    file: list(middle, [], { entries: [entry(serialOf(leaf), extension('2.5.29.29', sequence(), true))] }),
    why: /2\.5\.29\.29/,
  },
  { name: 'entry with an empty date', file: tiny(sequence(integer(1), der(0x17))), why: /date/ },
  { name: 'entry with an empty number', file: tiny(sequence(integer(), time(NOW))), why: /serial/ },
  { name: 'entry without date', file: list(middle, [], { entries: [sequence(integer(1))] }), why: /date/ },
  { name: 'entry without number', file: list(middle, [], { entries: [sequence(time(NOW))] }), why: /serial/ },
  {
    name: 'entry with more',
    file: list(middle, [], { entries: [sequence(integer(1), time(NOW), sequence(), oid('1.2'))] }),
    why: /entry/,
  },
  { name: 'something behind', file: list(middle, [], { more: [integer(1)] }), why: /more than a list has/ },
  { name: '65 lists', file: block.repeat(65), why: /64 at most/ },
  { name: '16 MiB and more', file: Buffer.alloc(16 * 1_048_576 + 1, 0x30), why: /at most/ },
])('9 refused file: $name', ({ file, why }) => {
  expect(() => RevocationLists.parse(Buffer.from(file))).toThrow(
    expect.objectContaining({ code: 'SPIFFE_CRL_INVALID', message: expect.stringMatching(why) }),
  );
});

/** A list with so many small entries that counting them by a wrong size would be noticed. */
function tiny(one: Buffer): Buffer {
  return list(middle, [], { entries: Array<Buffer>(100).fill(one) });
}

test('9 100,000 entries are read at once, and found', () => {
  const many = Buffer.alloc(100_000 * entry(Buffer.alloc(16, 0x40)).length, entry(Buffer.alloc(16, 0x40)));
  const size = many.length / 100_000;
  for (let i = 0; i < 100_000; i++) many.writeUInt32BE(i, i * size + 10);
  const base64 = list(middle, [], { entries: [many, entry(serialOf(leaf))] }).toString('base64');
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
