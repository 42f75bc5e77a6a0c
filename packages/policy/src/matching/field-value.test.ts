import { expect, test } from 'vitest';
import type { StringMatch } from '../policy.ts';
import { matchesAccount, matchesNamespace, matchesPrincipal } from './field-value.ts';
import { readSubject } from './subject.ts';

const address = { sourceIp: '127.0.0.1', destinationIp: '127.0.0.2', destinationPort: 8080 };
const plain = readSubject({ identity: undefined, ...address });
const tls = readSubject({
  identity: { trustDomain: 'td', namespace: 'namespace', serviceAccount: 'account' },
  ...address,
});

test.each<[StringMatch, boolean, boolean]>([
  [{ kind: 'exact', value: 'namespace' }, false, true],
  [{ kind: 'exact', value: 'account' }, false, false],
  [{ kind: 'prefix', value: '' }, true, true],
  [{ kind: 'presence' }, false, true],
])('namespace %j: plain %j, tls %j', (pattern, onPlain, onTls) => {
  expect([matchesNamespace(pattern, plain), matchesNamespace(pattern, tls)]).toEqual([onPlain, onTls]);
});

test.each<[StringMatch, boolean, boolean]>([
  [{ kind: 'exact', value: 'td/ns/namespace/sa/account' }, false, true],
  [{ kind: 'exact', value: 'spiffe://td/ns/namespace/sa/account' }, false, false],
  [{ kind: 'prefix', value: '' }, false, true],
  [{ kind: 'suffix', value: '' }, false, true],
  [{ kind: 'presence' }, false, true],
])('principal %j: plain %j, tls %j', (pattern, onPlain, onTls) => {
  expect([matchesPrincipal(pattern, plain), matchesPrincipal(pattern, tls)]).toEqual([onPlain, onTls]);
});

test.each([
  ['namespace', 'account', true],
  ['namespace', 'other', false],
  ['other', 'account', false],
  ['other', 'other', false],
])('account %s/%s: tls %j, plain never', (namespace, serviceAccount, onTls) => {
  const account = { namespace, serviceAccount };
  expect([matchesAccount(account, plain), matchesAccount(account, tls)]).toEqual([false, onTls]);
});
