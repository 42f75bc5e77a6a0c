import { expect, test } from 'vitest';
import { parseIpsetSave } from './ipset-sets.ts';
import { parseNftElements } from './nft-sets.ts';
import { readPods } from './probe-entry.ts';

test.each([
  { text: '10.1.2.3', address: '10.1.2.3' },
  { text: '::ffff:10.1.2.3', address: '10.1.2.3' },
  { text: '::FFFF:0A01:0203', address: '10.1.2.3' },
  { text: 'FD00:0:0::1', address: 'fd00::1' },
])('$text is the entry $address', ({ text, address }) => {
  expect(readPods([{ uid: 'u', addresses: [text] }], true).map((entry) => entry.address)).toEqual([address]);
});

test('an address is the last pod’s, and IPv6 is left out on demand', () => {
  const pods = [
    { uid: 'a', addresses: ['10.1.2.3', 'fd00::1'] },
    { uid: 'b', addresses: ['::ffff:10.1.2.3'] },
  ];
  expect(readPods(pods, false)).toEqual([{ address: '10.1.2.3', family: 'ipv4', podUid: 'b' }]);
});

test('what ipset saves is read, with other options and without comments', () => {
  const text = `create s hash:ip family inet comment
add s 10.1.2.3 comment "863b91d4"
add s 10.1.2.4
add s 10.1.2.5 timeout 5 comment "a b" skbprio 0:1
`;
  expect(parseIpsetSave(text, 'ipv4')).toEqual([
    { address: '10.1.2.3', family: 'ipv4', podUid: '863b91d4' },
    { address: '10.1.2.4', family: 'ipv4' },
    { address: '10.1.2.5', family: 'ipv4', podUid: 'a b' },
  ]);
});

test('elements that nft lists are read, with other options and without comments', () => {
  const text = `fd00::1 comment "a, b }", fd00::2,
			     fd00::3 counter packets 0 bytes 0 comment "c"`;
  expect(parseNftElements(text, 'ipv6')).toEqual([
    { address: 'fd00::1', family: 'ipv6', podUid: 'a, b }' },
    { address: 'fd00::2', family: 'ipv6' },
    { address: 'fd00::3', family: 'ipv6', podUid: 'c' },
  ]);
  expect(parseNftElements('', 'ipv4')).toEqual([]);
});
