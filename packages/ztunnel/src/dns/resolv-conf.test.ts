import { expect, test } from 'vitest';
import { parseResolvConf, readResolvConf } from './resolv-conf.ts';

const nothing = { nameServers: [], tryTimeoutMs: 5000, tries: 3, searchDomains: [] };

test.each([
  { text: '', expected: nothing },
  { text: 'nameserver 10.96.0.10', expected: { ...nothing, nameServers: ['10.96.0.10'] } },
  {
    text: 'nameserver 10.96.0.10\nnameserver fd00::a\nnameserver 10.96.0.10\r\n',
    expected: { ...nothing, nameServers: ['10.96.0.10', 'fd00::a'] },
  },
  {
    text: '# nameserver 1.1.1.1\n; nameserver 1.1.1.2\nnameserver 1.1.1.3 # here',
    expected: { ...nothing, nameServers: ['1.1.1.3'] },
  },
  { text: 'nameserver\nnameserver example.com\nnameserver fe80::1%eth0', expected: { ...nothing, nameServers: [] } },
  {
    text: 'search A.example. b\nsearch svc.cluster.local cluster.local',
    expected: { ...nothing, searchDomains: ['svc.cluster.local', 'cluster.local'] },
  },
  { text: 'domain Example.org', expected: { ...nothing, searchDomains: ['example.org'] } },
  { text: 'options ndots:5 timeout:2 attempts:1', expected: { ...nothing, tryTimeoutMs: 2000, tries: 2 } },
  { text: 'options timeout:900 attempts:90', expected: { ...nothing, tryTimeoutMs: 30_000, tries: 6 } },
  { text: 'options timeout:x attempts:0 timeout', expected: nothing },
])('$text', ({ text, expected }) => {
  expect(parseResolvConf(text)).toEqual(expected);
});

test('not more than eight name servers', () => {
  const text = Array.from({ length: 20 }, (_, n) => `nameserver 10.0.0.${n}`).join('\n');
  expect(parseResolvConf(text).nameServers).toHaveLength(8);
});

test('a file that is not there has no name servers', () => {
  expect(readResolvConf('/nonexistent/resolv.conf')).toEqual(nothing);
});
