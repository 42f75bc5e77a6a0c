import { expect, test } from 'vitest';
import { canonicalIp } from './plain.ts';

test.each([
  { ip: '10.0.0.1', canonical: '10.0.0.1' },
  { ip: '::ffff:10.0.0.1', canonical: '10.0.0.1' },
  { ip: 'fd00::1', canonical: 'fd00::1' },
  { ip: 'fe80::1%eth0', canonical: 'fe80::1' },
  { ip: '', canonical: '' },
])('canonicalIp($ip) is $canonical', ({ ip, canonical }) => {
  expect(canonicalIp(ip)).toBe(canonical);
});
