import { expect, test } from 'vitest';
import { guessForm } from './policy-form.ts';
import { findLocalProblems, readLocalPolicy } from './read-policy.ts';

const HEAD = { name: 'web', namespace: 'shop', scope: 'Namespace', action: 'Allow', dryRun: false };
const withMatch = (match: unknown) => ({ ...HEAD, rules: [[[match]]] });
const PLACE = 'rules[0][0][0]';

test('patterns and ranges as node proxies write them (spec policy.md §6)', () => {
  const data = withMatch({
    principals: [{ Exact: 'a' }, { Prefix: 'b' }, { Suffix: 'c' }, { Presence: [] }],
    notSourceIps: ['10.0.0.1/8', '::/0'],
    destinationPorts: [80],
    serviceAccounts: [{ namespace: 'n', serviceAccount: 'a' }],
    namespaces: [],
  });
  expect(guessForm(data)).toBe('local');
  expect(readLocalPolicy(data)).toEqual(
    withMatch({
      principals: [
        { kind: 'exact', value: 'a' },
        { kind: 'prefix', value: 'b' },
        { kind: 'suffix', value: 'c' },
        { kind: 'presence' },
      ],
      notSourceIps: [
        { address: '10.0.0.1', length: 8 },
        { address: '::', length: 0 },
      ],
      destinationPorts: [80],
      serviceAccounts: [{ namespace: 'n', serviceAccount: 'a' }],
    }),
  );
});

test.each([
  { match: { principals: ['a/b'] }, path: `${PLACE}.principals[0]`, says: 'want a map, not "a/b"' },
  { match: { principals: [{ Exact: 1 }] }, path: `${PLACE}.principals[0].Exact`, says: 'want text, not 1' },
  { match: { principals: [{ exact: 'a' }] }, path: `${PLACE}.principals[0].exact`, says: 'unknown field' },
  { match: { principals: [{ Exact: 'a', Prefix: 'a' }] }, path: `${PLACE}.principals[0]`, says: 'want one of Exact' },
  {
    match: { principals: [{}] },
    path: `${PLACE}.principals[0]`,
    says: 'want one of Exact, Prefix, Suffix or Presence',
  },
  { match: { sourceIps: ['10.0.0.1'] }, path: `${PLACE}.sourceIps[0]`, says: 'want a range such as 10.0.0.0/8' },
  { match: { sourceIps: ['10.0.0.1/33'] }, path: `${PLACE}.sourceIps[0]`, says: 'not "10.0.0.1/33"' },
  { match: { sourceIps: [{ address: '::', length: 0 }] }, path: `${PLACE}.sourceIps[0]`, says: 'want text, not a map' },
  { match: { port: [1] }, path: `${PLACE}.port`, says: 'unknown field' },
])('refused: $match', ({ match, path, says }) => {
  const data = withMatch(match);
  expect(findLocalProblems(data)).toEqual([{ severity: 'error', path, message: expect.stringContaining(says) }]);
  expect(() => readLocalPolicy(data)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID' }));
});

test('a policy without a name is refused', () => {
  const data = { ...HEAD, name: '', rules: [] };
  const problems = [{ severity: 'error', path: 'name', message: 'want the name of the policy, not ""' }];
  expect(findLocalProblems(data)).toEqual(problems);
  expect(() => readLocalPolicy(data)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID', problems }));
});

test('what is right and hardly meant is told', () => {
  expect(findLocalProblems(withMatch({ principals: [{ Exact: 'spiffe://a' }] }))).toMatchObject([
    { severity: 'warning', path: `${PLACE}.principals[0]` },
  ]);
});
