import { describe, expect, test } from 'vitest';
import type { Connection, Policy } from '../policy.ts';
import { buildPolicy, exact } from '../testing/build-policy.ts';
import { allow, deny, explainTo, SLEEP, SLEEP_TEXT } from '../testing/explain-connection.ts';

function changesOf(policies: readonly Policy[], connection: Partial<Connection> = {}): readonly string[] {
  return explainTo(policies, connection).wouldPass.map(({ text }) => text);
}

/** Changes of plain text that would pass, each behind the policy that it is for. */
function plainChangesOf(policies: readonly Policy[]) {
  return explainTo(policies, { identity: undefined }).wouldPass.map(({ policy, text }) => [policy, text]);
}

describe('changes that would pass', () => {
  test.each<[string, readonly Policy[], Partial<Connection>, readonly string[]]>([
    ['a principal', [allow({ principals: [exact(SLEEP_TEXT)] })], {}, [`if the principal were ${SLEEP_TEXT}`]],
    [
      'the beginning of one',
      [allow({ principals: [{ kind: 'prefix', value: 'cluster.local/ns/b/' }] })],
      {},
      ['if the principal began with cluster.local/ns/b/ (such as cluster.local/ns/b/sa/notsleep)'],
    ],
    [
      'the end of one',
      [allow({ principals: [{ kind: 'suffix', value: '/sa/web' }] })],
      {},
      ['if the principal ended in /sa/web (such as cluster.local/ns/a/sa/web)'],
    ],
    [
      'any certificate',
      [allow({ principals: [{ kind: 'presence' }] })],
      { identity: undefined },
      ['if the client had a certificate (such as that of cluster.local/ns/ns1/sa/default)'],
    ],
    ['a namespace', [allow({ namespaces: [exact('b')] })], {}, ['if the source namespace were b']],
    [
      'a namespace and an account',
      [allow({ namespaces: [exact('b')], principals: [{ kind: 'suffix', value: '/web' }] })],
      {},
      ['if the principal were for example cluster.local/ns/b/sa/web'],
    ],
    [
      'an account',
      [allow({ serviceAccounts: [{ namespace: 'b', serviceAccount: 'c' }] })],
      {},
      ['if the service account were b/c'],
    ],
    ['a port', [allow({ destinationPorts: [80, 81] })], {}, ['if the destination port were 80']],
    [
      'an address',
      [allow({ sourceIps: [{ address: '10.8.3.3', length: 16 }] })],
      {},
      ['if the source address were in 10.8.3.3/16 (such as 10.8.0.1)'],
    ],
    [
      'one address',
      [allow({ destinationIps: [{ address: 'fd00::5', length: 128 }] })],
      {},
      ['if the destination address were fd00::5'],
    ],
    [
      'outside of a range',
      [allow({ notSourceIps: [{ address: '10.0.0.0', length: 8 }] })],
      {},
      ['if the source address were outside 10.0.0.0/8 (such as 11.0.0.7)'],
    ],
    [
      'two of them',
      [allow({ principals: [exact(SLEEP_TEXT)], destinationPorts: [80] })],
      {},
      [`if the principal were ${SLEEP_TEXT} and the destination port were 80`],
    ],
    ['plain text', [allow({ notPrincipals: [{ kind: 'presence' }] })], {}, ['if the client came in plain text']],
    ['a principal that no identity has', [allow({ principals: [exact('x')] })], {}, []],
    [
      'another way of a clause',
      [buildPolicy({ rules: [[[{ principals: [exact('x')] }, { destinationPorts: [1] }]]] })],
      {},
      ['if the destination port were 1'],
    ],
    [
      'to escape DENY',
      [deny({ namespaces: [exact('a')], destinationPorts: [8080] })],
      {},
      ['if the source namespace were another (such as other)', 'if the destination port were another (such as 8081)'],
    ],
    [
      'to escape DENY and be admitted',
      [deny({ notPrincipals: [{ kind: 'presence' }] }), allow({ principals: [exact(SLEEP_TEXT)] })],
      { identity: undefined },
      [`if the principal were ${SLEEP_TEXT}`],
    ],
    [
      'none to escape DENY of everything',
      [deny({ destinationPorts: [8080] }), { ...deny({}), name: 'e', rules: [[]] }],
      {},
      [],
    ],
    [
      'of which a later one undid the first',
      [
        deny({ notDestinationIps: [{ address: 'fd00::1', length: 0 }], destinationPorts: [81] }),
        allow({ destinationPorts: [81] }),
      ],
      { destinationPort: 81 },
      ['if the destination address were in fd00::1/0 (such as ::1)'],
    ],
    [
      'of identities that nobody can have are not told',
      [
        allow({ namespaces: [exact('a/b'), { kind: 'prefix', value: 'b/' }] }),
        { ...allow({ serviceAccounts: [{ namespace: 'a', serviceAccount: 'b/c' }] }), name: 'q' },
      ],
      {},
      [],
    ],
    [
      'one that a DENY would meet is not told',
      [allow({ principals: [exact(SLEEP_TEXT)] }), { ...deny({ principals: [exact(SLEEP_TEXT)] }) }],
      {},
      [],
    ],
  ])('%s', (_name, policies, connection, texts) => {
    expect(changesOf(policies, connection)).toEqual(texts);
  });

  test('to escape DENY name the rule that says what is wanted', () => {
    const strict = deny({ notPrincipals: [{ kind: 'presence' }] });
    const only = { ...deny({ notPrincipals: [exact(SLEEP_TEXT)] }), name: 'e' };
    expect(plainChangesOf([strict, allow({ principals: [exact(SLEEP_TEXT)] })])).toEqual([
      ['ns1/p', `if the principal were ${SLEEP_TEXT}`],
    ]);
    expect(plainChangesOf([strict, only])).toEqual([['ns1/e', `if the principal were ${SLEEP_TEXT}`]]);
  });

  test('are told once if several rules want the same', () => {
    const other = allow({ namespaces: [exact('a')], principals: [{ kind: 'suffix', value: '/sleep' }] });
    const policies = [allow({ principals: [exact(SLEEP_TEXT)] }), { ...other, name: 'q' }];
    const identity = { ...SLEEP, namespace: 'b' };
    expect(changesOf(policies, { identity })).toEqual(['if the source namespace were a']);
  });

  test('are a few, with the fewest aspects first', () => {
    const rules = Array.from({ length: 12 }, (_, at) => [
      [{ namespaces: [exact(`n${at}`)], destinationPorts: [at < 6 ? 9 : 8080] }],
    ]);
    const texts = changesOf([buildPolicy({ rules })]);
    expect(texts).toHaveLength(4);
    expect(texts.every((text) => !text.includes(' and '))).toBe(true);
  });

  test('are none if a policy is missing', () => {
    const policies = [allow({ principals: [exact(SLEEP_TEXT)] }), deny({ destinationPorts: [8080] })];
    expect(explainTo(policies, {}, ['ns1/gone']).wouldPass).toEqual([]);
    expect(explainTo(policies, { destinationPort: 1 }, ['ns1/gone']).wouldPass).toEqual([]);
  });
});
