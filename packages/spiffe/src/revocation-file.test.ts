import { RevocationLists } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';
import { der, integer, oid, pem, sequence, time } from './testing/der.ts';
import { ECDSA_SHA384, extension, forgeAuthority, forgeLeaf, NOW } from './testing/forge.ts';
import { entry, forgeList, serialOf } from './testing/forge-list.ts';

const root = forgeAuthority({ name: 'root' });
const middle = forgeAuthority({ name: 'middle', by: root });
const leaf = forgeLeaf({ by: middle });
const good = forgeList(middle, [leaf]);
const block = pem('X509 CRL', good);

test.each([
  { name: 'empty', file: '', count: 0, size: 0 },
  { name: 'only line ends', file: '\n\n', count: 0, size: 0 },
  { name: 'only other blocks', file: root.pem, count: 0, size: 0 },
  { name: 'one', file: block, count: 1, size: 1 },
  { name: 'text around', file: `# ours\n${block}# end\n`, count: 1, size: 1 },
  { name: 'line ends of Windows', file: block.replaceAll('\n', '\r\n'), count: 1, size: 1 },
  { name: 'other blocks between', file: block + root.pem + pem('X509 CRL', forgeList(root, [])), count: 2, size: 1 },
  { name: 'DER', file: good, count: 1, size: 1 },
  { name: 'DER and a line end', file: Buffer.concat([good, Buffer.from('\r\n')]), count: 1, size: 1 },
  { name: 'text that begins like DER', file: `0 = ours\n${block}`, count: 1, size: 1 },
  { name: 'version 1', file: forgeList(middle, [leaf], { version: Buffer.alloc(0) }), count: 1, size: 1 },
  {
    name: 'CRL number',
    file: forgeList(middle, [leaf], { extensions: [extension('2.5.29.20', integer(9), true)] }),
    count: 1,
    size: 1,
  },
])('9 file: $name', ({ file, count, size }) => {
  const read = RevocationLists.parse(Buffer.from(file));
  expect({ count: read.count, size: read.size }).toEqual({ count, size });
});

test.each([
  { name: 'garbage', file: 'garbage', why: /neither PEM nor DER/ },
  { name: 'cut PEM', file: block.slice(0, -30), why: /PEM block is cut/ },
  { name: 'no base64', file: block.replace('M', '*'), why: /no base64/ },
  { name: 'one good, one bad block', file: block + pem('X509 CRL', Buffer.from('x')), why: /outer sequence/ },
  { name: 'DER and more', file: Buffer.concat([good, Buffer.from('x')]), why: /outer sequence/ },
  { name: 'cut DER', file: good.subarray(0, -1), why: /outer sequence/ },
  { name: 'a certificate under the wrong name', file: pem('X509 CRL', root.der), why: /cannot be read/ },
  { name: 'entry with an empty date', file: tiny(sequence(integer(1), der(0x17))), why: /date/ },
  { name: 'entry with an empty number', file: tiny(sequence(integer(), time(NOW))), why: /serial/ },
  { name: 'entry without date', file: forgeList(middle, [], { entries: [sequence(integer(1))] }), why: /date/ },
  { name: 'entry without number', file: forgeList(middle, [], { entries: [sequence(time(NOW))] }), why: /serial/ },
  {
    name: 'entry with more',
    file: forgeList(middle, [], { entries: [sequence(integer(1), time(NOW), sequence(), oid('1.2'))] }),
    why: /entry/,
  },
  { name: 'something behind', file: forgeList(middle, [], { more: [integer(1)] }), why: /more than a list has/ },
  {
    name: 'issuingDistributionPoint that is none',
    file: forgeList(middle, [], { extensions: [extension('2.5.29.28', integer(1))] }),
    why: /issuingDistributionPoint/,
  },
  { name: '65 lists', file: block.repeat(65), why: /64 at most/ },
  { name: '16 MiB and more', file: Buffer.alloc(16 * 1_048_576 + 1, 0x30), why: /at most/ },
])('9 refused file: $name', ({ file, why }) => {
  expect(() => RevocationLists.parse(Buffer.from(file))).toThrow(
    expect.objectContaining({ code: 'SPIFFE_CRL_INVALID', message: expect.stringMatching(why) }),
  );
});

/** A list with so many small entries that counting them by a wrong size would be noticed. */
function tiny(one: Buffer): Buffer {
  return forgeList(middle, [], { entries: Array<Buffer>(100).fill(one) });
}

/** A list with an issuingDistributionPoint of these parts. */
function scoped(...parts: readonly Buffer[]): Buffer {
  return forgeList(middle, [leaf], { extensions: [extension('2.5.29.28', sequence(...parts), true)] });
}

const url = der(0xa0, der(0xa0, der(0x86, Buffer.from('http://c/crl'))));

test.each([
  { name: 'a distribution point', parts: [url] },
  { name: 'a distribution point, not indirect', parts: [url, der(0x84, Buffer.from([0]))] },
  { name: 'certificates of users', parts: [url, der(0x81, Buffer.from([255]))] },
  { name: 'some reasons', parts: [der(0x83, Buffer.from([0, 0x60]))] },
])('9 a list for $name revokes what it lists', ({ parts }) => {
  const read = RevocationLists.parse(scoped(...parts));
  expect({ count: read.count, size: read.size, unused: read.unused }).toEqual({ count: 1, size: 1, unused: [] });
});

test.each([
  { name: 'version 3', file: forgeList(middle, [], { version: integer(2) }), why: /version/ },
  { name: 'two algorithms', file: forgeList(middle, [], { outer: ECDSA_SHA384 }), why: /two signature algorithms/ },
  {
    name: 'delta',
    file: forgeList(middle, [], { extensions: [extension('2.5.29.27', integer(1), true)] }),
    why: /delta/,
  },
  { name: 'indirect', file: scoped(der(0x84, Buffer.from([255]))), why: /indirect/ },
  { name: 'of attribute certificates', file: scoped(der(0x85, Buffer.from([255]))), why: /attribute/ },
  {
    name: 'critical extension',
    file: forgeList(middle, [], { extensions: [extension('1.2.3', integer(1), true)] }),
    why: /1\.2\.3/,
  },
  {
    name: 'indirect entry',
    file: forgeList(middle, [], { entries: [entry(serialOf(leaf), extension('2.5.29.29', sequence(), true))] }),
    why: /2\.5\.29\.29/,
  },
])('9 unused, and no harm to the others: $name', ({ file, why }) => {
  const read = RevocationLists.parse(Buffer.from(block + pem('X509 CRL', file)));
  expect({ count: read.count, size: read.size }).toEqual({ count: 1, size: 1 });
  expect(read.unused).toEqual([expect.stringMatching(why)]);
  expect(read.unused[0]).toContain('list 2');
  expect(RevocationLists.parse(file).count).toBe(0);
});

test('9 long and padded serial numbers are read', () => {
  const read = RevocationLists.parse(
    forgeList(middle, [], { entries: [entry(Buffer.alloc(300, 1)), entry(Buffer.of(0, 5)), entry(Buffer.of(5))] }),
  );
  expect(read.size).toBe(2);
});

test('the issuers are told for people', () => {
  expect([...RevocationLists.parse(good).issuers.values()]).toEqual(['middle']);
});
