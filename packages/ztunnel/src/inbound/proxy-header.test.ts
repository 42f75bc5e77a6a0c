import { expect, test } from 'vitest';
import { encodeProxyHeader } from './proxy-header.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const ID = 'spiffe://cluster.local/ns/default/sa/client';
const idHex = Buffer.from(ID).toString('hex');
const v4 = { ip: '10.0.0.1', port: 40_000 };
const v6 = { ip: 'fd00::1', port: 40_000 };

test.each([
  {
    name: 'the vector',
    source: v4,
    target: { ip: '10.10.0.1', port: 80 },
    id: ID,
    rest: `2111003a0a0000010a0a00019c400050d0002b${idHex}`,
  },
  {
    name: 'no identity',
    source: v4,
    target: { ip: '10.10.0.1', port: 80 },
    id: '',
    rest: '2111000c0a0000010a0a00019c400050',
  },
  {
    name: 'IPv6',
    source: v6,
    target: { ip: 'fd00:1::', port: 80 },
    id: '',
    rest: '21210024fd000000000000000000000000000001fd0000010000000000000000000000009c400050',
  },
  {
    name: 'families differ',
    source: v6,
    target: { ip: '10.10.0.1', port: 80 },
    id: ID,
    rest: `2101002ed0002b${idHex}`,
  },
])('hbone.md §4.3: $name', ({ source, target, id, rest }) => {
  expect(encodeProxyHeader(source, target, id).toString('hex')).toBe(SIGNATURE + rest);
});
