import { expect, test } from 'vitest';
import { readSubject } from '../matching/subject.ts';
import type { Match } from '../policy.ts';
import { CONNECTIONS } from '../testing/build-policy.ts';
import { compileRule } from './compile-rule.ts';

// Checked policies have no such ranges and no empty lists; if one came through, it would contain nothing, or be no condition.
const unreadable = { address: '10.0.0.0/8', length: 8 };

test.each<[Match, boolean]>([
  [{}, false],
  [{ namespaces: [] }, false],
  [{ notNamespaces: [] }, false],
  [{ namespaces: [], notPrincipals: [], destinationPorts: [8080] }, true],
  [{ sourceIps: [unreadable] }, false],
  [{ sourceIps: [unreadable, { address: '127.0.0.0', length: 8 }] }, true],
  [{ notDestinationIps: [unreadable] }, true],
])('a rule of %j holds: %j', (match, expected) => {
  expect(compileRule([[match]])(readSubject(CONNECTIONS.tls))).toBe(expected);
});
