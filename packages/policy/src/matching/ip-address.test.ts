import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import { parseIpAddress, unmapIpAddress } from './ip-address.ts';

test.each<[string, readonly number[] | undefined]>([
  ['0.0.0.0', [0, 0, 0, 0]],
  ['127.0.0.1', [0, 0, 0, 0x7f000001]],
  ['255.255.255.255', [0, 0, 0, -1]],
  ['192.168.10.9', [0, 0, 0, 0xc0a80a09 | 0]],
  ['', undefined],
  ['1.2.3', undefined],
  ['1.2.3.4.5', undefined],
  ['1.2.3.', undefined],
  ['1.2.3.4.', undefined],
  ['.1.2.3', undefined],
  ['1..2.3', undefined],
  ['256.0.0.1', undefined],
  ['1.2.3.256', undefined],
  ['01.2.3.4', undefined],
  ['1.2.3.00', undefined],
  ['1.2.3.4 ', undefined],
  ['1.2.3.x', undefined],
  ['1.2.3./', undefined],
  ['0x7f.0.0.1', undefined],
  ['+1.2.3.4', undefined],
])('parseIpAddress(%j): IPv4', (text, words) => {
  expect(parseIpAddress(text)).toEqual(words && { family: 4, words });
});

test.each<[string, readonly number[] | undefined]>([
  ['::', [0, 0, 0, 0]],
  ['::1', [0, 0, 0, 1]],
  ['1::', [0x10000, 0, 0, 0]],
  ['fe80::A:b', [0xfe800000 | 0, 0, 0, 0xa000b]],
  ['1:2:3:4:5:6:7:8', [0x10002, 0x30004, 0x50006, 0x70008]],
  ['1:2:3:4:5:6:7::', [0x10002, 0x30004, 0x50006, 0x70000]],
  ['::2:3:4:5:6:7:8', [2, 0x30004, 0x50006, 0x70008]],
  ['1:2:3::7:8', [0x10002, 0x30000, 0, 0x70008]],
  ['::ffff:192.0.2.1', [0, 0, 0xffff, 0xc0000201 | 0]],
  ['1:2:3:4:5:6:1.2.3.4', [0x10002, 0x30004, 0x50006, 0x1020304]],
  [':', undefined],
  [':::', undefined],
  ['1::2::3', undefined],
  ['1:2:3:4:5:6:7', undefined],
  ['1:2:3:4:5:6:7:8:9', undefined],
  ['1:2:3:4::5:6:7:8', undefined],
  ['1:2:3:4:5::6:7:8:9', undefined],
  [':1:2:3:4:5:6:7', undefined],
  ['1:2:3:4:5:6:7:', undefined],
  ['1.2.3.4::', undefined],
  ['1.2.3.4:5:6:7:8:9:a', undefined],
  ['::1.2.3.4:5', undefined],
  ['::1.2.3', undefined],
  ['12345::', undefined],
  ['x12::', undefined],
  ['12x::', undefined],
  ['::09:9:f:F', [0, 0, 0x90009, 0xf000f]],
  ['1::A.2.3.4', undefined],
  ['::g', undefined],
  ['::G', undefined],
  ['::/', undefined],
  ['::@', undefined],
  ['::`', undefined],
  ['::12345', undefined],
  ['1::2:', undefined],
  [':1::2', undefined],
  ['1:2:3:4:5:6:7:1.2.3.4', undefined],
  ['1::1.2.3.4:', undefined],
  ['fe80::1%eth0', undefined],
  ['[::1]', undefined],
])('parseIpAddress(%j): IPv6', (text, words) => {
  expect(parseIpAddress(text)).toEqual(words && { family: 6, words });
});

test('reads what another library writes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.boolean(), (bytes, six) => {
      const address = ipaddr.fromByteArray([...(six ? bytes : bytes.subarray(12))]);
      const view = new DataView(bytes.buffer);
      const words = [0, 4, 8, 12].map((at) => (six || at === 12 ? view.getInt32(at) : 0));
      for (const text of [address.toString(), address.toNormalizedString()])
        expect(parseIpAddress(text)).toEqual({ family: six ? 6 : 4, words });
    }),
  );
});

test('never throws, and takes nothing that another library refuses', () => {
  const text = fc.stringMatching(/^[0159af:.x% ]{0,24}$/);
  fc.assert(
    fc.property(text, (address) => {
      expect(parseIpAddress(address) === undefined || ipaddr.isValid(address)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['::ffff:0:0', '0.0.0.0'],
  ['1::ffff:127.0.0.1', '1::ffff:127.0.0.1'],
  ['0:0:1::ffff:1.2.3.4', '0:0:1::ffff:1.2.3.4'],
  ['::127.0.0.1', '::127.0.0.1'],
  ['127.0.0.1', '127.0.0.1'],
])('unmapIpAddress(%s) is %s', (text, expected) => {
  const ip = parseIpAddress(text);
  expect(ip && unmapIpAddress(ip)).toEqual(parseIpAddress(expected));
});
