import { expect, test } from 'vitest';
import { findObjectProblems } from './find-object-problems.ts';
import { readPolicyObject } from './read-policy-object.ts';

const HEAD = { apiVersion: 'security.istio.io/v1', metadata: { name: 'p', namespace: 'shop' } };
const ap = (spec: unknown, head: object = HEAD) => ({ ...head, kind: 'AuthorizationPolicy', spec });
const pa = (spec: unknown, head: object = HEAD) => ({ ...head, kind: 'PeerAuthentication', spec });
const source = (fields: unknown) => ap({ rules: [{ from: [{ source: fields }] }] });
const operation = (fields: unknown, action = 'ALLOW') => ap({ action, rules: [{ to: [{ operation: fields }] }] });
const when = (condition: unknown) => ap({ rules: [{ when: [condition] }] });

const GOOD = [
  ap(undefined),
  ap({}),
  ap({ rules: [{}] }),
  ap({ rules: [{ from: [{ source: { principals: ['td/ns/a/sa/b', '*', 'td/*'], namespaces: ['a*'] } }] }] }),
  source({ serviceAccounts: ['a', 'n/a'], notIpBlocks: ['10.0.0.0/8', '::1', '2001:db8::/32', '10.0.0.5/32'] }),
  operation({ ports: ['0', '65535', '080'] }),
  when({ key: 'destination.ip', values: ['10.0.0.1'], notValues: ['10.0.0.2'] }),
  ap({ targetRefs: [{ kind: 'Service', group: '', name: 's' }], rules: [{ to: [{ operation: { paths: ['/x'] } }] }] }),
  ap({ action: 'CUSTOM', provider: { name: 'x' }, targetRef: { kind: 'Gateway', name: 'w' }, rules: [{}] }),
  ap({
    action: 'DENY',
    targetRefs: [{ kind: 'Service', name: 's' }],
    rules: [{ to: [{ operation: { methods: ['GET'] } }], when: [{ key: 'request.headers[x]', notValues: ['y'] }] }],
  }),
  source({ ipBlocks: ['::ffc0:0:0/90', '::/0', '64:ff9b::10.0.0.1'] }),
  pa({}),
  pa({ mtls: { mode: 'STRICT' } }),
  ap({ selector: { matchLabels: { 'app.kubernetes.io/name': 'A_b.c-1', x: '' } } }),
  pa({ selector: { matchLabels: { app: 'a' } }, portLevelMtls: { 9090: { mode: 'DISABLE' }, 1: {} } }),
  {
    ...ap({ rules: [{}] }),
    metadata: {
      ...HEAD.metadata,
      uid: 'u',
      managedFields: [{ manager: 'kubectl' }],
      annotations: { 'istio.io/dry-run': 'true' },
      creationTimestamp: '2026-01-01T00:00:00Z',
      generation: 2,
    },
    status: { conditions: [] },
  },
];

test.each(GOOD.map((value) => [JSON.stringify(value.spec), value]))('nothing is wrong with %s', (_, value) => {
  expect(findObjectProblems(value)).toEqual([]);
});

test('fields that are null are not there, as for an API server; other fields of metadata are not taken over', () => {
  const value = { ...ap({ selector: null, action: null, rules: [{ from: null }] }), status: null };
  expect(readPolicyObject({ ...value, metadata: { ...HEAD.metadata, creationTimestamp: null, uid: 'u' } })).toEqual({
    ...HEAD,
    kind: 'AuthorizationPolicy',
    spec: { rules: [{}] },
  });
});

interface Row {
  readonly value: unknown;
  readonly path: string;
  readonly says: string;
}

/** What `readPolicyObject` refuses. */
const STRUCTURE: readonly Row[] = [
  { value: 7, path: '', says: 'want a map, not 7' },
  { value: ap([]), path: 'spec', says: 'want a map, not a list' },
  { value: { ...ap({}), kind: 'RequestAuthentication' }, path: 'kind', says: 'want AuthorizationPolicy or PeerAuth' },
  {
    value: { ...ap({}), apiVersion: 'v1' },
    path: 'apiVersion',
    says: 'want security.istio.io/v1 or security.istio.io/v1b',
  },
  { value: { kind: 'AuthorizationPolicy', ...HEAD, apiVersion: undefined }, path: 'apiVersion', says: 'is missing' },
  { value: { ...ap({}), metadata: undefined }, path: 'metadata', says: 'is missing' },
  { value: { ...ap({}), metadata: { namespace: 'n' } }, path: 'metadata.name', says: 'is missing' },
  {
    value: { ...ap({}), metadata: { name: 'a/b' } },
    path: 'metadata.name',
    says: 'want lower-case letters, digits and -',
  },
  {
    value: { ...ap({}), metadata: { name: 'a', namespace: 'B' } },
    path: 'metadata.namespace',
    says: 'want lower-case',
  },
  {
    value: { ...ap({}), metadata: { name: 'a', nmae: 'b' } },
    path: 'metadata.nmae',
    says: 'unknown field: want name, namespace,',
  },
  {
    value: { ...ap({}), metadata: { name: 'a', creationTimestamp: 'yesterday' } },
    path: 'metadata.creationTimestamp',
    says: 'want a time as 2026-01-31T00:00:00Z, not "yesterday"',
  },
  {
    value: { ...ap({}), metadata: { name: 'a', annotations: { 'istio.io/dry-run': true } } },
    path: 'metadata.annotations["istio.io/dry-run"]',
    says: 'want text in quotes: "true", or "yes", "on" or "y" if written so, not true',
  },
  { value: ap({ action: 'deny' }), path: 'spec.action', says: 'want ALLOW, DENY, AUDIT or CUSTOM, not "deny"' },
  {
    value: ap({ rule: [] }),
    path: 'spec.rule',
    says: 'unknown field: did you mean rules? want selector, targetRef, targetRefs, action',
  },
  { value: ap({ rules: {} }), path: 'spec.rules', says: 'want a list, not a map' },
  { value: ap({ rules: [null] }), path: 'spec.rules[0]', says: 'want a map, not null' },
  { value: ap({ rules: [{ form: [] }] }), path: 'spec.rules[0].form', says: 'unknown field: want from, to or when' },
  {
    value: ap({ rules: [{}, { from: [{ principals: ['a'] }] }] }),
    path: 'spec.rules[1].from[0].principals',
    says: 'unknown field: want source',
  },
  {
    value: source({ principal: ['a'] }),
    path: 'spec.rules[0].from[0].source.principal',
    says: 'unknown field: did you mean principals? want principals, notPrincipals, namespaces',
  },
  {
    value: source({ principals: 'a' }),
    path: 'spec.rules[0].from[0].source.principals',
    says: 'want a list, not "a"',
  },
  {
    value: operation({ ports: ['80', 90] }),
    path: 'spec.rules[0].to[0].operation.ports[1]',
    says: 'want text in quotes: "90", not 90',
  },
  { value: when({ values: ['a'] }), path: 'spec.rules[0].when[0].key', says: 'is missing' },
  { value: ap({ selector: { app: 'a' } }), path: 'spec.selector.app', says: 'unknown field: want matchLabels' },
  {
    value: ap({ selector: { matchLabels: { n: 1 } } }),
    path: 'spec.selector.matchLabels.n',
    says: 'want text in quotes: "1", not 1',
  },
  { value: ap({ targetRefs: [{ kind: 'Gateway' }] }), path: 'spec.targetRefs[0].name', says: 'is missing' },
  {
    value: pa({ mtls: { mode: 'strict' } }),
    path: 'spec.mtls.mode',
    says: 'want UNSET, DISABLE, PERMISSIVE or STRICT',
  },
  { value: pa({ mtls: 'STRICT' }), path: 'spec.mtls', says: 'want a map, not "STRICT"' },
  { value: pa({ portLevelMtls: [] }), path: 'spec.portLevelMtls', says: 'want a map, not a list' },
  { value: pa({ portLevelMtls: { 80: { mode: 'ON' } } }), path: 'spec.portLevelMtls.80.mode', says: 'want UNSET' },
  { value: pa({ rules: [] }), path: 'spec.rules', says: 'unknown field: want selector, mtls or portLevelMtls' },
];

test.each(STRUCTURE)('refused: $path $says', ({ value, path, says }) => {
  expect(findObjectProblems(value)).toEqual([{ severity: 'error', path, message: expect.stringContaining(says) }]);
  expect(() => readPolicyObject(value)).toThrow(says);
  expect(() => readPolicyObject(value)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID' }));
});

const RULE = 'spec.rules[0]';
const withMetadata = (metadata: object) => ({ ...ap({}), metadata: { ...HEAD.metadata, ...metadata } });

const LABELLED = { matchLabels: { app: 'a' } };
const labels = (matchLabels: Readonly<Record<string, string>>) => ap({ selector: { matchLabels }, rules: [{}] });
/** For a waypoint, as node proxies do not get such policies. */
const custom = (spec: object) =>
  ap({ action: 'CUSTOM', provider: { name: 'x' }, targetRef: { kind: 'Gateway', name: 'w' }, rules: [{}], ...spec });

/** Values that a control plane would not take, or that would be dropped. */
const ERRORS: readonly Row[] = [
  {
    value: source({ ipBlocks: ['10.0.0.0/33'] }),
    path: `${RULE}.from[0].source.ipBlocks[0]`,
    says: 'not "10.0.0.0/33"',
  },
  {
    value: source({ notIpBlocks: ['::1', 'bad'] }),
    path: `${RULE}.from[0].source.notIpBlocks[1]`,
    says: 'such as 10.0.0.0/8',
  },
  { value: source({ principals: [''] }), path: `${RULE}.from[0].source.principals[0]`, says: 'want text' },
  {
    value: source({ serviceAccounts: ['a/b/c'] }),
    path: `${RULE}.from[0].source.serviceAccounts[0]`,
    says: 'NAMESPACE/ACCOUNT',
  },
  { value: source({}), path: `${RULE}.from[0].source`, says: 'has no condition, so it never holds' },
  {
    value: ap({ rules: [{ to: [{}] }] }),
    path: `${RULE}.to[0]`,
    says: 'has no condition, so it never holds: want operation with ports, notPorts',
  },
  { value: ap({ rules: [{ from: [] }] }), path: `${RULE}.from`, says: 'is empty' },
  { value: ap({ rules: [{ to: [] }] }), path: `${RULE}.to`, says: 'is empty' },
  { value: operation({ notPorts: ['65536'] }), path: `${RULE}.to[0].operation.notPorts[0]`, says: 'from 0 to 65535' },
  { value: when({ key: 'source.ip' }), path: `${RULE}.when[0]`, says: 'want values or notValues' },
  { value: when({ key: 'source.ip', values: ['x'] }), path: `${RULE}.when[0].values[0]`, says: 'want an address' },
  {
    value: when({ key: 'destination.port', notValues: ['http'] }),
    path: `${RULE}.when[0].notValues[0]`,
    says: 'want a port',
  },
  {
    value: when({ key: 'source.ips', values: ['1.1.1.1'] }),
    path: `${RULE}.when[0].key`,
    says: 'want source.ip, source.namespace',
  },
  {
    value: when({ key: 'request.headers', values: ['x'] }),
    path: `${RULE}.when[0].key`,
    says: 'request.headers[NAME]',
  },
  { value: ap({ selector: { matchLabels: { app: 'a*' } } }), path: 'spec.selector.matchLabels["app"]', says: '*' },
  {
    value: ap({ selector: { matchLabels: { app: 'a' } }, targetRefs: [{ kind: 'Gateway', name: 'w' }] }),
    path: 'spec.selector',
    says: 'there is a target, too',
  },
  {
    value: ap({ selector: {}, targetRefs: [{ kind: 'Gateway', name: 'w' }] }),
    path: 'spec.selector',
    says: 'there is a target, too',
  },
  {
    value: ap({ targetRef: { kind: 'Gateway', name: 'w' }, targetRefs: [{ kind: 'Gateway', name: 'w' }] }),
    path: 'spec.targetRef',
    says: 'there are targetRefs, too',
  },
  { value: ap({ provider: { name: 'x' } }), path: 'spec.provider', says: 'only a CUSTOM policy' },
  {
    value: ap({ action: 'AUDIT', provider: { name: 'x' }, targetRef: { kind: 'Gateway', name: 'w' } }),
    path: 'spec.provider',
    says: 'only a CUSTOM policy',
  },
  { value: custom({ rules: undefined }), path: 'spec.rules', says: 'a CUSTOM policy without rules never applies' },
  { value: custom({ provider: {} }), path: 'spec.provider', says: 'a CUSTOM policy wants provider.name' },
  {
    value: custom({ rules: [{ from: [{ source: { notRequestPrincipals: ['a'] } }] }] }),
    path: `${RULE}.from[0].source.notRequestPrincipals`,
    says: 'a CUSTOM policy cannot have this',
  },
  {
    value: custom({ rules: [{ when: [{ key: 'request.auth.audiences', values: ['a'] }] }] }),
    path: `${RULE}.when[0].key`,
    says: 'cannot ask for request.auth.audiences',
  },
  { value: ap({ action: 'DENY' }), path: 'spec.rules', says: 'a DENY policy without rules never applies' },
  { value: ap({ action: 'DENY', rules: [] }), path: 'spec.rules', says: 'a rule {} applies to everything' },
  ...['principals', 'notPrincipals', 'namespaces', 'notNamespaces'].map((field) => ({
    value: source({ serviceAccounts: ['a'], [field]: ['*'] }),
    path: `${RULE}.from[0].source.serviceAccounts`,
    says: 'want no principals and no namespaces beside',
  })),
  {
    value: source({ notServiceAccounts: ['a'], namespaces: ['b'] }),
    path: `${RULE}.from[0].source.notServiceAccounts`,
    says: 'want no principals and no namespaces beside',
  },
  { value: labels({ '': 'a' }), path: 'spec.selector.matchLabels[""]', says: 'want the name of a label' },
  { value: labels({ a: 'b'.repeat(64) }), path: 'spec.selector.matchLabels["a"]', says: 'want at most 63 characters' },
  { value: pa({ portLevelMtls: { 80: { mode: 'STRICT' } } }), path: 'spec.portLevelMtls', says: 'want a selector' },
  { value: pa({ selector: LABELLED, portLevelMtls: {} }), path: 'spec.portLevelMtls', says: 'is empty' },
  {
    value: pa({ selector: LABELLED, portLevelMtls: { 0: { mode: 'STRICT' } } }),
    path: 'spec.portLevelMtls["0"]',
    says: 'from 1 to 65535',
  },
  {
    value: { ...ap({}), metadata: { ...HEAD.metadata, annotations: { 'istio.io/dry-run': 'yes' } } },
    path: 'metadata.annotations["istio.io/dry-run"]',
    says: 'so that the policy is enforced',
  },
  { value: pa({ selector: { matchLabels: { app: '*' } } }), path: 'spec.selector.matchLabels["app"]', says: '*' },
];

test.each(ERRORS)('an error: $path $says', ({ value, path, says }) => {
  expect(findObjectProblems(value)).toEqual([{ severity: 'error', path, message: expect.stringContaining(says) }]);
  // Conversion drops such a value: reading leaves it there.
  expect(() => readPolicyObject(value)).not.toThrow();
});

/** What is taken, but hardly does what was meant. */
const WARNINGS: readonly Row[] = [
  ...['a/b', 'Shop', 'a_b'].map((namespace) => ({
    value: ap({ rules: [{ from: [{ source: { namespaces: [namespace] } }] }] }),
    path: 'spec.rules[0].from[0].source.namespaces[0]',
    says: `no namespace is "${namespace}": want lower-case`,
  })),
  {
    value: ap({
      rules: [{ to: [{ operation: { ports: ['80'] } }], when: [{ key: 'destination.port', values: ['9'] }] }],
    }),
    path: 'spec.rules[0]',
    says: 'never holds: its conditions on the destination port exclude each other',
  },
  {
    value: ap({ rules: [{ from: [{ source: { ipBlocks: ['10.0.0.7/8'] } }] }] }),
    path: 'spec.rules[0].from[0].source.ipBlocks[0]',
    says: '10.0.0.7/8 has bits behind its first 8, which do not count',
  },
  {
    value: withMetadata({ annotations: { 'istio.io/dryrun': 'true' } }),
    path: 'metadata.annotations["istio.io/dryrun"]',
    says: 'is not istio.io/dry-run, so the policy is enforced',
  },
  {
    value: withMetadata({ annotations: { 'istio/Dry-Run': 'true' } }),
    path: 'metadata.annotations["istio/Dry-Run"]',
    says: 'is not istio.io/dry-run',
  },
  {
    value: withMetadata({ labels: { 'istio.io/dry-run': 'true' } }),
    path: 'metadata.labels["istio.io/dry-run"]',
    says: 'is a label: want the annotation istio.io/dry-run, without which the policy is enforced',
  },
  { value: ap({}, { ...HEAD, metadata: { name: 'p' } }), path: 'metadata.namespace', says: 'is missing' },
  {
    value: source({ principals: ['spiffe://td/ns/a/sa/b'] }),
    path: `${RULE}.from[0].source.principals[0]`,
    says: 'without spiffe://',
  },
  {
    value: source({ principals: ['td/*/sa'] }),
    path: `${RULE}.from[0].source.principals[0]`,
    says: 'a * counts as itself',
  },
  {
    value: source({ principals: ['ns/a/sa/b'] }),
    path: `${RULE}.from[0].source.principals[0]`,
    says: 'TRUST_DOMAIN/ns/',
  },
  {
    value: source({ serviceAccounts: ['n/*'] }),
    path: `${RULE}.from[0].source.serviceAccounts[0]`,
    says: 'nobody has',
  },
  {
    value: source({ ipBlocks: ['::ffff:10.0.0.1'] }),
    path: `${RULE}.from[0].source.ipBlocks[0]`,
    says: 'write it as IPv4',
  },
  { value: source({ trustDomains: ['td'] }), path: `${RULE}.from[0].source.trustDomains`, says: 'allows nobody' },
  {
    value: source({ namespaces: ['a'], principals: [] }),
    path: `${RULE}.from[0].source.principals`,
    says: 'an empty list',
  },
  {
    value: operation({ methods: ['GET'] }),
    path: `${RULE}.to[0].operation.methods`,
    says: 'the whole rule is left out',
  },
  {
    value: operation({ methods: ['GET'], ports: ['80'] }, 'DENY'),
    path: `${RULE}.to[0].operation.methods`,
    says: 'the rest of the rule applies without it',
  },
  {
    value: when({ key: 'request.headers[x]', values: ['y'] }),
    path: `${RULE}.when[0].key`,
    says: 'the whole rule is left',
  },
  {
    value: when({ key: 'request.auth.claims[a][b]', values: ['y'] }),
    path: `${RULE}.when[0].key`,
    says: 'cannot judge',
  },
  { value: when({ key: 'source.serviceAccount', values: ['a'] }), path: `${RULE}.when[0].key`, says: 'cannot judge' },
  { value: ap({ action: 'AUDIT', rules: [{}] }), path: 'spec.action', says: 'want ALLOW or DENY' },
  { value: ap({ selector: {}, rules: [{}] }), path: 'spec.selector', says: 'is empty, so it selects no workload' },
  { value: ap({ selector: { matchLabels: {} } }), path: 'spec.selector', says: 'is empty, so it selects no workload' },
  { value: pa({ selector: {}, mtls: { mode: 'STRICT' } }), path: 'spec.selector', says: 'for its whole namespace' },
  {
    value: pa({ selector: LABELLED }, { ...HEAD, metadata: { name: 'p', namespace: 'istio-system' } }),
    path: 'spec.selector',
    says: 'in the root namespace istio-system',
  },
  { value: labels({ 'bad key!': 'a' }), path: 'spec.selector.matchLabels["bad key!"]', says: 'no workload has this' },
  { value: labels({ 'x.y/z/a': 'a' }), path: 'spec.selector.matchLabels["x.y/z/a"]', says: 'no workload has this' },
  {
    value: labels({ ['a'.repeat(64)]: 'a' }),
    path: `spec.selector.matchLabels["${'a'.repeat(64)}"]`,
    says: 'at most 63',
  },
  { value: labels({ a: 'x y' }), path: 'spec.selector.matchLabels["a"]', says: 'no workload has the value "x y"' },
];

test.each(WARNINGS)('a warning: $path $says', ({ value, path, says }) => {
  expect(findObjectProblems(value)).toEqual([{ severity: 'warning', path, message: expect.stringContaining(says) }]);
});

test('a DENY rule of which nothing is left is told as a whole, too', () => {
  expect(findObjectProblems(operation({ methods: ['GET'] }, 'DENY')).map(({ path }) => path)).toEqual([
    `${RULE}.to[0].operation.methods`,
    RULE,
  ]);
});

test('the root namespace may be another one', () => {
  expect(findObjectProblems(pa({ selector: LABELLED }), { rootNamespace: 'shop' })).toMatchObject([
    { severity: 'warning', path: 'spec.selector' },
  ]);
});
