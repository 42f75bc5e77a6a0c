import { parseSpiffeId, renderSpiffeId, sameSpiffeId } from '@ambientmesh/spiffe';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkedSpiffeUri } from './spiffe-id.ts';

const id = (trustDomain: string, namespace: string, serviceAccount: string) => ({
  trustDomain,
  namespace,
  serviceAccount,
});

test.each([
  { text: 'spiffe://cluster.local/ns/default/sa/sleep', want: id('cluster.local', 'default', 'sleep') },
  { text: 'spiffe://td/ns/ns/sa/sa', want: id('td', 'ns', 'sa') },
  { text: 'spiffe:///ns//sa/', want: id('', '', '') },
  { text: 'spiffe://td/ns/a,b/sa/c', want: id('td', 'a,b', 'c') },
  { text: 'spiffe://td/ns/a/sa/b/', want: undefined },
  { text: 'spiffe://td/ns/a/sa/b/c', want: undefined },
  { text: 'spiffe://td/ns/a/sa', want: undefined },
  { text: 'spiffe://td/ns/a/SA/b', want: undefined },
  { text: 'spiffe://td/NS/a/sa/b', want: undefined },
  { text: 'spiffe://td/sa/b/ns/a', want: undefined },
  { text: 'Spiffe://td/ns/a/sa/b', want: undefined },
  { text: 'https://td/ns/a/sa/b', want: undefined },
  { text: ' spiffe://td/ns/a/sa/b', want: undefined },
  { text: 'spiffe://td/ns/a/sa/b\n', want: undefined },
  { text: 'spiffe://td/ns/a\0/sa/b', want: undefined },
  { text: 'spiffe://td/ns/ä/sa/b', want: undefined },
  { text: 'spiffe://', want: undefined },
  { text: '', want: undefined },
])('1.2 parseSpiffeId($text)', ({ text, want }) => {
  expect(parseSpiffeId(text)).toEqual(want);
});

test.each([
  { b: id('td', 'a', 'b'), same: true },
  { b: id('TD', 'a', 'b'), same: false },
  { b: id('td', 'A', 'b'), same: false },
  { b: id('td', 'a', 'B'), same: false },
  { b: id('td', 'b', 'a'), same: false },
])('1.2 identities are compared exactly: td,a,b and $b', ({ b, same }) => {
  expect(sameSpiffeId(id('td', 'a', 'b'), b)).toBe(same);
});

test('what parses renders back to the same text', () => {
  const part = fc.stringMatching(/^[\x21-\x2e\x30-\x7e]*$/);
  fc.assert(
    fc.property(part, part, part, (td, ns, sa) => {
      const text = renderSpiffeId(id(td, ns, sa));
      expect(parseSpiffeId(text)).toEqual(id(td, ns, sa));
    }),
  );
});

test.each([id('td/ns/x/sa/y', 'a', 'b'), id('td', 'a/sa/b', 'c'), id('td', 'a', 'b/c'), id('td', 'a b', 'c')])(
  'an identity that would read as another is not rendered into a certificate: %o',
  (bad) => {
    expect(() => checkedSpiffeUri(bad)).toThrow(expect.objectContaining({ code: 'SPIFFE_ID_INVALID' }));
  },
);
