import { expect, test } from 'vitest';
import { canonicalAddress, formatAddress, parseAuthority } from './address.ts';

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['FD00:0:0::1', 'fd00::1'],
  ['::FFFF:10.211.2.10', '::ffff:10.211.2.10'],
  ['::ffff:0ad3:020a', '::ffff:10.211.2.10'],
  ['::', '::'],
])('canonicalAddress(%s) is %s', (text, expected) => {
  expect(canonicalAddress(text)).toBe(expected);
});

test.each([
  ['10.0.0.1:80', { host: '10.0.0.1', port: 80, isAddress: true }],
  ['[FD00::1]:443', { host: 'fd00::1', port: 443, isAddress: true }],
  ['example.com:8080', { host: 'example.com', port: 8080, isAddress: false }],
  ['example.com', undefined],
  ['10.0.0.1', undefined],
  ['10.0.0.1:65536', undefined],
  ['[example.com]:80', undefined],
  ['fd00::1:80', undefined],
  ['user@10.0.0.1:80', undefined],
  ['10.0.0.1:80/x', undefined],
  ['', undefined],
])('parseAuthority(%s)', (text, expected) => {
  expect(parseAuthority(text)).toEqual(expected);
});

test('an IPv6 endpoint is written in brackets', () => {
  expect(formatAddress({ ip: 'fd00::1', port: 80 })).toBe('[fd00::1]:80');
});
