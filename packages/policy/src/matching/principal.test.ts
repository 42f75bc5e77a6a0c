import { expect, test } from 'vitest';
import { parsePrincipal } from './principal.ts';

const IDENTITY = { trustDomain: 'td', namespace: 'ns1', serviceAccount: 'account' };

test.each([
  { text: 'td/ns/ns1/sa/account', identity: IDENTITY },
  { text: 'spiffe://td/ns/ns1/sa/account', identity: IDENTITY },
  { text: 'spiffe://spiffe://td/ns/n/sa/a', identity: undefined },
  { text: 'td/ns/n/sa/', identity: undefined },
  { text: '/ns/n/sa/a', identity: undefined },
  { text: 'td/ns/n/sa/a/b', identity: undefined },
  { text: 'td/ns/n/sa/a b', identity: undefined },
  { text: 'td/ns/n', identity: undefined },
])('$text', ({ text, identity }) => {
  expect(parsePrincipal(text)).toEqual(identity);
});
