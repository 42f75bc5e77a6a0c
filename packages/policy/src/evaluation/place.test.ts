import { expect, test } from 'vitest';
import { parseRange } from '../matching/address-range.ts';
import { readSubject } from '../matching/subject.ts';
import type { AddressRange } from '../policy.ts';
import { CONNECTIONS } from '../testing/build-policy.ts';
import { partPlace, portPlace, rangeKey, rangePlace, readKey, textPlace } from './place.ts';

const tls = readSubject(CONNECTIONS.tls);
const plain = readSubject(CONNECTIONS.plain);

test.each([
  [textPlace('principal'), 'td/ns/namespace/sa/account', undefined],
  [partPlace('principal', 'prefix', 4), 'td/n', undefined],
  [partPlace('principal', 'suffix', 4), 'ount', undefined],
  [partPlace('principal', 'prefix', 99), undefined, undefined],
  [textPlace('namespace'), 'namespace', ''],
  [partPlace('namespace', 'prefix', 4), 'name', undefined],
  [partPlace('namespace', 'suffix', 5), 'space', undefined],
  [partPlace('namespace', 'prefix', 0), '', ''],
  [portPlace(), 8080, 8080],
])('$name: tls has %j there, plain %j', (place, ofTls, ofPlain) => {
  expect([readKey(place, tls), readKey(place, plain)]).toEqual([ofTls, ofPlain]);
});

/** The key of a range, and what a connection has in its place. */
function readRangeKeys(range: AddressRange, side: 'sourceIp' | 'destinationIp', ip: string): readonly unknown[] {
  const parsed = parseRange(range);
  const subject = readSubject({ ...CONNECTIONS.tls, [side]: ip });
  return parsed === undefined ? [] : [rangeKey(parsed.words, parsed.mask), readKey(rangePlace(side, parsed), subject)];
}

test.each(['sourceIp', 'destinationIp'] as const)('%s: all of a range have its key, and no others', (side) => {
  const v4 = { address: '10.1.2.3', length: 16 };
  const [key, same] = readRangeKeys(v4, side, '10.1.99.9');
  expect(same).toBe(key);
  expect(readRangeKeys(v4, side, '10.2.2.3')).not.toContain(undefined);
  expect(readRangeKeys(v4, side, '10.2.2.3')[1]).not.toBe(key);
  expect(readRangeKeys(v4, side, 'fd00::1')).toEqual([key, undefined]);
  expect(readRangeKeys({ address: '::', length: 0 }, side, '10.2.2.3')).toEqual([0, undefined]);
  const v6 = { address: '1:2:3:4:5:6:7:8', length: 128 };
  const [whole, equal] = readRangeKeys(v6, side, v6.address);
  expect(equal).toBe(whole);
  for (const other of ['0:2:3:4:5:6:7:8', '1:2:3:0:5:6:7:8', '1:2:3:4:0:6:7:8', '1:2:3:4:5:6:7:0'])
    expect(readRangeKeys(v6, side, other)[1]).not.toBe(whole);
});

test('what gives other keys has another name', () => {
  const ranges = [
    { address: '10.0.0.0', length: 8 },
    { address: '10.0.0.0', length: 9 },
    { address: '::', length: 104 },
    { address: '::', length: 8 },
  ].flatMap((range) => parseRange(range) ?? []);
  const places = (['principal', 'namespace'] as const).flatMap((text) => [
    textPlace(text),
    ...[2, 3].flatMap((length) => [partPlace(text, 'prefix', length), partPlace(text, 'suffix', length)]),
  ]);
  places.push(portPlace(), ...ranges.flatMap((one) => [rangePlace('sourceIp', one), rangePlace('destinationIp', one)]));
  expect(new Set(places.map(({ name }) => name)).size).toBe(2 * 5 + 1 + 2 * ranges.length);
});
