import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import type { AddressRange } from '../policy.ts';
import { contains, parseRange, unmapRange } from './address-range.ts';
import { parseIpAddress } from './ip-address.ts';

/** Undefined if one of the two cannot be read. */
function inRange(address: string, length: number, text: string): boolean | undefined {
  const [range, ip] = [parseRange({ address, length }), parseIpAddress(text)];
  return range && ip && contains(range, ip);
}

test.each<[string, number, string, boolean]>([
  ['127.0.0.1', 32, '127.0.0.1', true],
  ['127.0.0.1', 32, '127.0.0.3', false],
  ['127.0.0.1', 24, '127.0.0.9', true],
  ['127.0.0.1', 24, '127.0.1.1', false],
  ['10.0.0.0', 8, '10.255.255.255', true],
  ['10.0.0.0', 8, '11.0.0.0', false],
  ['0.0.0.0', 0, '255.255.255.255', true],
  ['0.0.0.0', 0, '::1', false],
  ['::', 0, '127.0.0.1', false],
  ['::ffff:0:0', 96, '127.0.0.1', false],
  ['::7f00:1', 128, '127.0.0.1', false],
  ['fd00::', 8, 'fdff::1', true],
  ['fd00::', 8, 'fc00::1', false],
  ['1:2:3:4:5:6:7:8', 128, '1:2:3:4:5:6:7:8', true],
  ['1:2:3:4:5:6:7:8', 128, '1:2:3:4:5:6:7:9', false],
  ['1:2:3:4:5:6:7:8', 127, '1:2:3:4:5:6:7:9', true],
  ['1:2:3:4:5:6:7:8', 96, '1:2:3:4:5:6::', true],
  ['1:2:3:4:5:6:7:8', 96, '1:2:3:4:5:7::', false],
  ['1:2:3:4:5:6:7:8', 64, '1:2:3:4::', true],
  ['1:2:3:4:5:6:7:8', 64, '1:2:3:5::', false],
  ['1:2:3:4:5:6:7:8', 33, '1:2::', true],
  ['1:2:3:4:5:6:7:8', 33, '1:2:8000::', false],
])('%s/%i contains %s: %j', (address, length, ip, expected) => {
  expect(inRange(address, length, ip)).toBe(expected);
});

test.each<AddressRange>([
  { address: '10.0.0.0', length: 33 },
  { address: '10.0.0.0', length: -1 },
  { address: '10.0.0.0', length: 1.5 },
  { address: '10.0.0.0', length: Number.NaN },
  { address: '::', length: 129 },
  { address: '::', length: -1 },
  { address: '10.0.0', length: 8 },
  { address: '10.0.0.0/8', length: 8 },
  { address: '', length: 0 },
])('$address/$length is no range', (range) => {
  expect(parseRange(range)).toBeUndefined();
});

test.each<[string, number, string]>([
  ['::ffff:10.0.0.1', 128, '10.0.0.1/32'],
  ['::ffff:10.0.0.0', 104, '10.0.0.0/8'],
  ['::ffff:0:0', 96, '0.0.0.0/0'],
])('%s/%i was meant to be %s', (address, length, expected) => {
  const range = unmapRange({ address, length });
  expect(`${range?.address}/${range?.length}`).toBe(expected);
});

test.each<AddressRange>([
  { address: '::ffff:0:0', length: 95 },
  { address: 'fd00::1', length: 128 },
  { address: '10.0.0.0', length: 32 },
  { address: '::ffff:10.0.0', length: 128 },
])('$address/$length has no other meaning', (range) => {
  expect(unmapRange(range)).toBeUndefined();
});

test('agrees with another library about addresses that share some bits', () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(bytes, fc.nat(128), fc.nat(128), fc.boolean(), (start, cut, length, six) => {
      const size = six ? 16 : 4;
      const flipped = cut % (size * 8);
      const network = start.slice(0, size);
      const other = network.map((byte, index) => (index === flipped >> 3 ? byte ^ (0x80 >> (flipped & 7)) : byte));
      const range = { address: ipaddr.fromByteArray([...network]).toString(), length: length % (size * 8 + 1) };
      const ip = ipaddr.fromByteArray([...other]);
      expect(inRange(range.address, range.length, ip.toString())).toBe(
        ip.match(ipaddr.parse(range.address), range.length),
      );
    }),
    { numRuns: 500 },
  );
});
