import { describe, expect, test } from 'vitest';
import { compile } from '../evaluation/policy-set.ts';
import type { Connection, Match, Policy } from '../policy.ts';
import { buildPolicy, exact, ruleOf } from '../testing/build-policy.ts';
import { allow, CONNECTION, deny, explainTo, SLEEP_TEXT } from '../testing/explain-connection.ts';
import { renderExplanation } from './render-explanation.ts';

/** The note on the only condition of a match. */
function noteOf(match: Match, connection: Partial<Connection> = {}): string | undefined {
  const { policies } = explainTo([buildPolicy({ rules: ruleOf(match) })], connection);
  return policies[0]?.rules[0]?.clauses[0]?.matches[0]?.fields[0]?.note;
}

function nearestOf(rules: readonly Match[]) {
  return explainTo([buildPolicy({ rules: rules.map((match) => [[match]]) })]).nearest;
}

function notesOf(policy: Partial<Policy>, connection: Partial<Connection> = {}) {
  return explainTo([buildPolicy(policy)], connection).policies[0]?.notes;
}

describe('the nearest miss', () => {
  test('failed on the fewest conditions', () => {
    const rules = [
      { principals: [exact('td/ns/x/sa/y')], destinationPorts: [9090] },
      { principals: [exact(SLEEP_TEXT)], destinationPorts: [8080] },
    ];
    expect(nearestOf(rules)).toEqual({
      policy: 'ns1/p',
      rule: 1,
      failed: [
        {
          field: 'principals',
          satisfied: false,
          wanted: [SLEEP_TEXT],
          more: 0,
          actual: 'cluster.local/ns/a/sa/notsleep',
          note: undefined,
        },
      ],
    });
  });

  test('of as many failures, has a value that is only misspelt', () => {
    const rules = [
      { principals: [exact(SLEEP_TEXT)], destinationPorts: [8080] },
      { principals: [exact('spiffe://cluster.local/ns/a/sa/notsleep')] },
    ];
    expect(nearestOf(rules)?.rule).toBe(1);
  });

  test('of as many failures, holds in more other conditions', () => {
    const rules = [
      { principals: [exact('cluster.local/ns/a/sa/notsleepy')] },
      { principals: [exact(SLEEP_TEXT)], destinationPorts: [8080] },
    ];
    expect(nearestOf(rules)?.rule).toBe(1);
  });

  test('else wants a principal that is most like the one there is', () => {
    const rules = ['cluster.local/ns/b/sa/x', 'cluster.local/ns/a/sa/sleep', 'x/ns/c/sa/y'].map((text) => ({
      principals: [exact(text)],
    }));
    expect(nearestOf(rules)?.rule).toBe(1);
  });

  test('tells of a long list the values that are most like what there is', () => {
    const principals = Array.from({ length: 40 }, (_, at) => exact(`cluster.local/ns/b/sa/account-${at}`));
    const nearest = nearestOf([{ principals: [...principals, exact(SLEEP_TEXT)] }]);
    expect(nearest?.failed[0]?.wanted).toHaveLength(16);
    expect(nearest?.failed[0]).toMatchObject({ more: 25 });
    expect(nearest?.failed[0]?.wanted[0]).toBe(SLEEP_TEXT);
  });

  test('is none if no connection can match', () => {
    expect(explainTo([buildPolicy({ rules: [[[{}]]] })]).nearest).toBeUndefined();
    expect(explainTo([buildPolicy({ rules: [] })]).nearest).toBeUndefined();
  });

  test('of a policy is told for those that are not enforced, too', () => {
    const rules = ruleOf({ destinationPorts: [1] });
    const { policies, nearest } = explainTo([
      buildPolicy({ rules, dryRun: true }),
      buildPolicy({ name: 'd', rules, action: 'Deny' }),
    ]);
    expect(nearest).toBeUndefined();
    expect(policies.map((policy) => policy.nearest?.rule)).toEqual([0, 0]);
  });
});

describe('notes on conditions', () => {
  test.each<[string, Match, Partial<Connection>, string | undefined]>([
    ['a principal that is another', { principals: [exact(SLEEP_TEXT)] }, {}, undefined],
    ['no certificate', { principals: [{ kind: 'presence' }] }, { identity: undefined }, 'plain text'],
    ['spiffe://', { principals: [exact(`spiffe://${SLEEP_TEXT}`)] }, {}, 'principals are written without spiffe://'],
    ['spiffe:// as prefix', { principals: [{ kind: 'prefix', value: 'spiffe://x' }] }, {}, 'matches nobody'],
    ['spiffe:// in an exclusion', { notPrincipals: [exact(`spiffe://${SLEEP_TEXT}`)] }, {}, 'excludes nobody'],
    ['a star inside', { principals: [exact('cluster.local/ns/*/sa/sleep')] }, {}, '* stands for any text only'],
    ['a short principal', { principals: [exact('a/sleep')] }, {}, 'want TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT'],
    ['the trust domain', { principals: [exact('td/ns/a/sa/notsleep')] }, {}, 'only the trust domain differs'],
    ['capitals', { principals: [exact('cluster.local/ns/a/sa/NotSleep')] }, {}, 'only capital letters differ'],
    ['blanks', { principals: [exact(' cluster.local/ns/a/sa/notsleep')] }, {}, 'it has blanks around it'],
    [
      'a namespace of plain text',
      { namespaces: [exact('a')] },
      { identity: undefined },
      'its namespace is the empty text',
    ],
    [
      'an account of plain text',
      { serviceAccounts: [{ namespace: 'a', serviceAccount: 'b' }] },
      { identity: undefined },
      'no service account matches',
    ],
    ['an exclusion and plain text', { notPrincipals: [exact(SLEEP_TEXT)] }, { identity: undefined }, 'plain text'],
    [
      'an account excluded and plain text',
      { notServiceAccounts: [{ namespace: 'a', serviceAccount: 'b' }] },
      { identity: undefined },
      'plain text',
    ],
    ['a range', { sourceIps: [{ address: '10.1.0.0', length: 16 }] }, {}, 'behind a waypoint or a gateway'],
    ['a mapped range', { sourceIps: [{ address: '::ffff:10.0.0.0', length: 104 }] }, {}, 'write 10.0.0.0/8'],
    ['a mapped exclusion', { notSourceIps: [{ address: '::ffff:10.0.0.0', length: 104 }] }, {}, 'write 10.0.0.0/8'],
    [
      'a range of IPv6',
      { destinationIps: [{ address: 'fd00::', length: 8 }] },
      {},
      'the address is IPv4 and the range is IPv6',
    ],
    [
      'ranges of IPv4',
      {
        destinationIps: [
          { address: '10.0.0.0', length: 8 },
          { address: '11.0.0.0', length: 8 },
        ],
      },
      { destinationIp: 'fd00::1' },
      'all ranges are IPv4',
    ],
    ['a destination', { destinationIps: [{ address: '10.9.0.0', length: 16 }] }, {}, 'not that of a service'],
    ['a port', { destinationPorts: [80] }, {}, "the service's targetPort"],
    ['a port that is right', { destinationPorts: [8080] }, {}, undefined],
    ['a port that is excluded', { notDestinationPorts: [8080] }, {}, undefined],
  ])('%s', (_name, match, connection, note) => {
    const found = noteOf(match, connection);
    if (note === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(note);
  });

  test('a port: the rule may have to name another', () => {
    expect(noteOf({ destinationPorts: [80] })).toBe(
      "policies see the port of the pod (the service's targetPort), not that of the service: perhaps the rule has to name 8080",
    );
  });
});

describe('notes on policies', () => {
  const source = { kind: 'AuthorizationPolicy', object: 'ns1/p', rules: [], omitted: [], ignored: [] } as const;

  test.each<[string, Partial<Policy>, readonly string[]]>([
    ['nothing special', {}, []],
    ['ALLOW without rules', { rules: [], source }, ['has no rules, so it admits nobody']],
    ['DENY without rules', { action: 'Deny', rules: [] }, ['has no rules, so it denies nothing']],
    [
      'ALLOW without rules of unknown origin',
      { rules: [] },
      ['has no rules, so it admits nobody (rules with HTTP attributes are left out of what a node proxy is sent)'],
    ],
    [
      'ALLOW whose rules had HTTP attributes',
      { rules: [], source: { ...source, omitted: [{ rule: 1, attributes: ['methods', 'paths'] }] } },
      [
        'rule 2 is left out: `methods`, `paths` (HTTP) only a waypoint can judge, so less is allowed than written',
        'no rule is left, so it admits nobody',
      ],
    ],
    [
      'DENY with HTTP attributes beside others',
      {
        action: 'Deny',
        rules: ruleOf({ destinationPorts: [1] }),
        source: { ...source, rules: [2], ignored: [{ rule: 2, attributes: ['hosts'] }] },
      },
      ['in rule 3, `hosts` (HTTP) only a waypoint can judge and is ignored here, so more is denied than written'],
    ],
    [
      'DENY with nothing but HTTP attributes',
      {
        action: 'Deny',
        rules: ruleOf({}),
        source: { ...source, rules: [0], ignored: [{ rule: 0, attributes: ['hosts', 'paths'] }] },
      },
      ['in rule 1, `hosts`, `paths` (HTTP) only a waypoint can judge and are ignored here, so the rule denies nothing'],
    ],
    [
      'a PeerAuthentication',
      { action: 'Deny', name: 'converted_peer_authentication_x', rules: [] },
      [
        'made of PeerAuthentication ns1/x: denies clients without a certificate on its STRICT ports',
        'has no rules, so it denies nothing',
      ],
    ],
    [
      'a waypoint',
      { source: { ...source, kind: 'Waypoint' } },
      ['made for waypoint ns1/p: admits what has passed through it'],
    ],
    ['dry run', { dryRun: true }, ['dry run: enforced, it would change nothing, the connection would still pass']],
    [
      'a dry run that would deny',
      { dryRun: true, rules: [] },
      [
        'has no rules, so it admits nobody (rules with HTTP attributes are left out of what a node proxy is sent)',
        'dry run: enforced, the connection would be denied (allow policies exist, but none allowed)',
      ],
    ],
  ])('%s', (_name, policy, notes) => {
    expect(notesOf(policy)).toEqual(notes);
  });

  test('a strict workload and a client without a certificate', () => {
    const strict = {
      name: 'istio_converted_static_strict',
      action: 'Deny',
      rules: ruleOf({ notPrincipals: [{ kind: 'presence' }] }),
    } as const;
    expect(notesOf(strict, { identity: undefined })).toEqual([
      'PeerAuthentication STRICT: denies clients without a certificate',
      'the client has to be in the mesh, or mTLS has to be PERMISSIVE',
    ]);
    expect(notesOf(strict)).toEqual(['PeerAuthentication STRICT: denies clients without a certificate']);
  });
});

test('policies come in the order of evaluation, then by key', () => {
  const names = (
    [
      ['d', 'Allow', true],
      ['c', 'Deny', true],
      ['b', 'Allow', false],
      ['a', 'Allow', false],
      ['z', 'Deny', false],
    ] as const
  ).map(([name, action, dryRun]) => buildPolicy({ name, action, dryRun }));
  expect(explainTo(names).policies.map(({ policy }) => policy)).toEqual(['ns1/z', 'ns1/a', 'ns1/b', 'ns1/c', 'ns1/d']);
});

test('null, as JSON has it, is a client without an identity', () => {
  const plain: Connection = JSON.parse(JSON.stringify({ ...CONNECTION, identity: null }));
  for (const policies of [
    [allow({ principals: [exact(SLEEP_TEXT)] })],
    [deny({ notNamespaces: [exact('a')] })],
    [deny({ namespaces: [exact('')] })],
  ]) {
    const explanation = explainTo(policies, plain);
    expect(explanation).toEqual(explainTo(policies, { identity: undefined }));
    expect(renderExplanation(explanation)).toMatch(/^DENIED plain text from 10\.0\.0\.7 /);
  }
});

test('what was said of very many policies is said again, not worked out again', () => {
  const policies = Array.from({ length: 3000 }, (_, at) => ({ ...allow({ destinationPorts: [at] }), name: `p${at}` }));
  const set = compile(policies);
  const [first, second] = [1, 2].map(() => set.explain(CONNECTION, { namespace: 'ns1', authorizationPolicies: [] }));
  for (const [at, policy] of first?.policies.entries() ?? [])
    expect(second?.policies[at]?.rules[0]).toBe(policy.rules[0]);
});

test('an address that is none is refused', () => {
  expect(() => explainTo([buildPolicy()], { sourceIp: 'x' })).toThrow('source address "x"');
});
