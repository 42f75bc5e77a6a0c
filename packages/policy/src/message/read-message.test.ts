import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PolicyError } from '../errors.ts';
import { compile } from '../evaluation/policy-set.ts';
import { arbitraryPolicy } from '../testing/arbitrary-policy.ts';
import { parseAddressBytes, renderAddressBytes } from './address-bytes.ts';
import { findMessageProblems, readMessage } from './read-message.ts';
import { renderMessage } from './render-message.ts';

const EMPTY = { name: '', namespace: '', scope: 'Global', action: 'Allow', dryRun: false, rules: [] };
const NAMELESS = { severity: 'error', path: 'name', message: 'is missing: node proxies know a policy by it' };
const withMatch = (match: unknown) => ({ name: 'a', groups: [{ rules: [{ matches: [match] }] }] });
const readOne = (match: unknown) => readMessage(withMatch(match)).rules[0]?.[0]?.[0];
const base64 = (...bytes: readonly number[]) => Buffer.from(bytes).toString('base64');
const addressOf = (bytes: readonly number[], length: unknown) => ({ address: base64(...bytes), length });
const IPV6 = [0x20, 1, 0xd, 0xb8, ...Array<number>(11).fill(0), 1];

// Spec policy.md §2: what is dropped, and what is cut.
test.each([
  {
    row: 'StringMatch with nothing set',
    match: { namespaces: [{}, { exact: 'a' }] },
    is: { namespaces: [{ kind: 'exact', value: 'a' }] },
  },
  {
    row: 'StringMatch with nothing set, alone: no condition',
    match: { namespaces: [{}], destinationPorts: [1] },
    is: { destinationPorts: [1] },
  },
  { row: 'StringMatch with nothing set, alone: the match is empty', match: { namespaces: [{}] }, is: {} },
  { row: 'StringMatch with null', match: { principals: [{ exact: null }] }, is: {} },
  { row: 'address of 0 bytes', match: { sourceIps: [{ length: 8 }, { address: '', length: 8 }, {}] }, is: {} },
  { row: 'address of 3 bytes', match: { sourceIps: [addressOf([1, 2, 3], 8)] }, is: {} },
  { row: 'address of 5 bytes', match: { sourceIps: [addressOf([1, 2, 3, 4, 5], 8)] }, is: {} },
  { row: 'address of 17 bytes', match: { sourceIps: [addressOf([...IPV6, 0], 8)] }, is: {} },
  {
    row: 'IPv4 with length 32',
    match: { sourceIps: [addressOf([1, 2, 3, 4], 32)] },
    is: { sourceIps: [{ address: '1.2.3.4', length: 32 }] },
  },
  { row: 'IPv4 with length 33', match: { sourceIps: [addressOf([1, 2, 3, 4], 33)] }, is: {} },
  {
    row: 'IPv6 with length 128',
    match: { sourceIps: [addressOf(IPV6, 128)] },
    is: { sourceIps: [{ address: '2001:db8::1', length: 128 }] },
  },
  { row: 'IPv6 with length 129', match: { sourceIps: [addressOf(IPV6, 129)] }, is: {} },
  {
    row: 'length is cut to 8 bits first: 256 + 24',
    match: { sourceIps: [addressOf([1, 2, 3, 4], 280)] },
    is: { sourceIps: [{ address: '1.2.3.4', length: 24 }] },
  },
  {
    row: 'length is cut to 8 bits first: 256',
    match: { sourceIps: [addressOf([1, 2, 3, 4], 256)] },
    is: { sourceIps: [{ address: '1.2.3.4', length: 0 }] },
  },
  { row: 'length is cut to 8 bits first: 256 + 33', match: { sourceIps: [addressOf([1, 2, 3, 4], 289)] }, is: {} },
  {
    row: 'no length is 0',
    match: { sourceIps: [{ address: base64(0, 0, 0, 0) }] },
    is: { sourceIps: [{ address: '0.0.0.0', length: 0 }] },
  },
  {
    row: 'host bits stay',
    match: { destinationIps: [addressOf([127, 0, 0, 1], 24)] },
    is: { destinationIps: [{ address: '127.0.0.1', length: 24 }] },
  },
  {
    row: 'v4-mapped stays IPv6',
    match: { sourceIps: [addressOf([...Array<number>(10).fill(0), 255, 255, 127, 0, 0, 1], 128)] },
    is: { sourceIps: [{ address: '::ffff:7f00:1', length: 128 }] },
  },
  { row: 'port 65535', match: { destinationPorts: [65_535] }, is: { destinationPorts: [65_535] } },
  { row: 'port 65536', match: { destinationPorts: [65_536] }, is: { destinationPorts: [0] } },
  { row: 'port 8080 + 65536', match: { destinationPorts: [73_616] }, is: { destinationPorts: [8080] } },
  { row: 'highest port', match: { notDestinationPorts: [4_294_967_295] }, is: { notDestinationPorts: [65_535] } },
])('$row', ({ match, is }) => {
  expect(readOne(match)).toEqual(is);
});

test.each([
  {
    row: 'names of the .proto file',
    match: { not_source_ips: [addressOf([1, 2, 3, 4], 8)], destination_ports: ['80'] },
    is: { notSourceIps: [{ address: '1.2.3.4', length: 8 }], destinationPorts: [80] },
  },
  {
    row: 'null fields',
    match: { namespaces: null, principals: [{ presence: {} }] },
    is: { principals: [{ kind: 'presence' }] },
  },
  { row: 'extensions', match: { extensions: [{ name: 'x' }] }, is: {} },
  {
    row: 'every kind of pattern',
    match: { principals: [{ exact: '' }, { prefix: 'p' }, { suffix: 's' }] },
    is: {
      principals: [
        { kind: 'exact', value: '' },
        { kind: 'prefix', value: 'p' },
        { kind: 'suffix', value: 's' },
      ],
    },
  },
  {
    row: 'base64 for URLs, without padding',
    match: { sourceIps: [{ address: '_-8AAQ', length: '32' }] },
    is: { sourceIps: [{ address: '255.239.0.1', length: 32 }] },
  },
  {
    row: 'service accounts',
    match: { service_accounts: [{ namespace: 'n', serviceAccount: 's' }, {}] },
    is: {
      serviceAccounts: [
        { namespace: 'n', serviceAccount: 's' },
        { namespace: '', serviceAccount: '' },
      ],
    },
  },
])('$row are read', ({ match, is }) => {
  expect(readOne(match)).toEqual(is);
});

test.each([
  { message: {}, is: EMPTY },
  {
    message: { '@type': 'type.googleapis.com/istio.security.Authorization', name: 'a', extensions: [] },
    is: { ...EMPTY, name: 'a' },
  },
  { message: { scope: 0, action: 0, dry_run: false, groups: null }, is: EMPTY },
  { message: { scope: 'GLOBAL', action: 'ALLOW' }, is: EMPTY },
  {
    message: { scope: 1, action: 1, dry_run: true },
    is: { ...EMPTY, scope: 'Namespace', action: 'Deny', dryRun: true },
  },
  { message: { scope: 2 }, is: { ...EMPTY, scope: 'WorkloadSelector' } },
  {
    message: { scope: 'WORKLOAD_SELECTOR', action: 'DENY' },
    is: { ...EMPTY, scope: 'WorkloadSelector', action: 'Deny' },
  },
  {
    message: { groups: [{}, { rules: [] }, { rules: [{}] }, { rules: [{ matches: [{}] }] }] },
    is: { ...EMPTY, rules: [[], [], [[]], [[{}]]] },
  },
])('$message', ({ message, is }) => {
  expect(readMessage(message)).toEqual(is);
});

test.each([
  { data: null, path: '', says: 'want a map, not null' },
  { data: { scope: 3 }, path: 'scope', says: 'want GLOBAL (0), NAMESPACE (1) or WORKLOAD_SELECTOR (2), not 3' },
  { data: { action: 7 }, path: 'action', says: 'want ALLOW (0) or DENY (1), not 7' },
  { data: { action: 'AUDIT' }, path: 'action', says: 'not "AUDIT"' },
  { data: { action: 'Deny' }, path: 'action', says: 'not "Deny"' },
  { data: { action: -1 }, path: 'action', says: 'not -1' },
  { data: { action: 0.5 }, path: 'action', says: 'not 0.5' },
  { data: { rules: [] }, path: 'rules', says: 'unknown field: want name, namespace, scope, action, groups' },
  { data: { dryRun: true, dry_run: true }, path: 'dry_run', says: 'is there twice' },
  { data: { dryRun: 'yes' }, path: 'dryRun', says: 'true or false' },
  {
    data: { '@type': 'type.googleapis.com/istio.workload.Address' },
    path: '["@type"]',
    says: 'istio.security.Authorization',
  },
  { data: { groups: [null] }, path: 'groups[0]', says: 'want a map' },
  { data: { groups: [{ clauses: [] }] }, path: 'groups[0].clauses', says: 'want rules' },
  { data: { groups: [{ rules: [{ matches: {} }] }] }, path: 'groups[0].rules[0].matches', says: 'want a list' },
  { data: withMatch({ ports: [1] }), path: 'groups[0].rules[0].matches[0].ports', says: 'unknown field' },
  {
    data: withMatch({ principals: [{ exact: 'a', prefix: 'b' }] }),
    path: 'groups[0].rules[0].matches[0].principals[0]',
    says: 'not exact and prefix',
  },
  {
    data: withMatch({ principals: [{ presence: true }] }),
    path: 'groups[0].rules[0].matches[0].principals[0].presence',
    says: 'a map',
  },
  {
    data: withMatch({ principals: [{ presence: { a: 1 } }] }),
    path: 'groups[0].rules[0].matches[0].principals[0].presence.a',
    says: 'unknown field: want none',
  },
  {
    data: withMatch({ principals: [{ regex: 'a' }] }),
    path: 'groups[0].rules[0].matches[0].principals[0].regex',
    says: 'unknown field',
  },
  ...['10.0.0.1', 'a', 'ab=', 'ab===', '=', 'abc d', 'YQ=', 'ä'].map((text) => ({
    data: withMatch({ sourceIps: [{ address: text }] }),
    path: 'groups[0].rules[0].matches[0].sourceIps[0].address',
    says: 'want bytes in base64',
  })),
  ...[-1, 4_294_967_296, 1.5, '-1', '', '1e2', ' 1', true].map((port) => ({
    data: withMatch({ destinationPorts: [port] }),
    path: 'groups[0].rules[0].matches[0].destinationPorts[0]',
    says: 'want a whole number from 0 to 4294967295',
  })),
])('refused: $path $says', ({ data, path, says }) => {
  // That a name is missing is told beside.
  const problems = findMessageProblems(data).filter(({ message }) => message !== NAMELESS.message);
  expect(problems).toEqual([{ severity: 'error', path, message: expect.stringContaining(says) }]);
  expect(() => readMessage(data)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID', problems }));
});

const MATCH = 'groups[0].rules[0].matches[0]';

test.each([
  { match: { namespaces: [{}] }, path: `${MATCH}.namespaces[0]`, says: 'is dropped: it says nothing' },
  { match: { sourceIps: [addressOf([1, 2, 3], 8)] }, path: `${MATCH}.sourceIps[0]`, says: '4 or 16 bytes, not 3' },
  {
    match: { sourceIps: [addressOf([1, 2, 3, 4], 33)] },
    path: `${MATCH}.sourceIps[0]`,
    says: 'at most 32 bits, not 33',
  },
  { match: { destinationPorts: [73_616] }, path: `${MATCH}.destinationPorts[0]`, says: 'is cut to 16 bits: 8080' },
  { match: { principals: [{ exact: 'spiffe://a' }] }, path: `${MATCH}.principals[0]`, says: 'without spiffe://' },
  { match: {}, path: MATCH, says: 'never matches' },
])('a warning, and it is read: $path $says', ({ match, path, says }) => {
  expect(findMessageProblems(withMatch(match))).toEqual([
    { severity: 'warning', path, message: expect.stringContaining(says) },
  ]);
  expect(readMessage(withMatch(match))).toMatchObject({ name: 'a' });
});

const messageWithLength = (length: number) => ({
  name: 'a',
  groups: [{ rules: [{ matches: [{ sourceIps: [addressOf([1, 2, 3, 4], length)] }] }] }],
});

test('a length that is cut is told', () => {
  const path = 'groups[0].rules[0].matches[0].sourceIps[0]';
  expect(findMessageProblems(messageWithLength(288))).toEqual([
    { severity: 'warning', path: `${path}.length`, message: 'is cut to 8 bits: 32' },
  ]);
  expect(findMessageProblems(messageWithLength(289))).toMatchObject([
    { path: `${path}.length` },
    { path, severity: 'warning' },
  ]);
});

test('a DENY message without groups has no effect; only errors are thrown', () => {
  expect(findMessageProblems({ name: 'a', action: 'DENY' })).toMatchObject([{ severity: 'warning', path: 'groups' }]);
  const forAll = { severity: 'warning', path: 'namespace' };
  expect(findMessageProblems({ name: 'a', scope: 'NAMESPACE', groups: [{}] })).toMatchObject([forAll]);
  const both = { ...withMatch({ namespaces: [{}] }), action: 7 };
  expect(findMessageProblems(both).map(({ severity }) => severity)).toEqual(['error', 'warning']);
  expect(() => readMessage(both)).toThrow(
    expect.objectContaining({ problems: [expect.objectContaining({ path: 'action' })] }),
  );
});

test.each([{}, { name: '' }, { foo: null }, { namespace: 'shop', scope: 'NAMESPACE', groups: [] }])(
  '%o is a message, but without a name no policy that anybody meant',
  (message) => {
    expect(readMessage(message)).toMatchObject({ name: '' });
    expect(findMessageProblems(message)).toEqual([NAMELESS]);
    const problems = [expect.objectContaining({ path: 'name', message: 'want the name of the policy, not ""' })];
    const refused = expect.objectContaining({ code: 'POLICY_INVALID', problems });
    expect(() => compile([readMessage(message)])).toThrow(refused);
    expect(() => renderMessage(readMessage(message))).toThrow(refused);
  },
);

test('the error names the resource', () => {
  expect(() => readMessage({ name: 'web', namespace: 'shop', action: 7 })).toThrow(/^policy shop\/web: action: /);
});

test.each([
  { policy: { ...EMPTY, name: 'a' }, message: { name: 'a' } },
  {
    policy: { ...EMPTY, name: 'a', rules: [[], [[]], [[{}]]] },
    message: { name: 'a', groups: [{}, { rules: [{}] }, { rules: [{ matches: [{}] }] }] },
  },
  {
    policy: {
      ...EMPTY,
      name: 'a',
      scope: 'WorkloadSelector',
      action: 'Deny',
      dryRun: true,
      rules: [[[{ sourceIps: [{ address: '10.10.10.10', length: 32 }], principals: [{ kind: 'presence' }] }]]],
    },
    message: {
      name: 'a',
      scope: 'WORKLOAD_SELECTOR',
      action: 'DENY',
      dryRun: true,
      groups: [
        {
          rules: [{ matches: [{ sourceIps: [{ address: 'CgoKCg==', length: 32 }], principals: [{ presence: {} }] }] }],
        },
      ],
    },
  },
])('a policy as message: $message', ({ policy, message }) => {
  expect(renderMessage(readMessage(message))).toEqual(message);
  expect(readMessage(message)).toEqual(policy);
});

test('a message leaves the source out; what is no policy has none', () => {
  const source = { kind: 'Waypoint', object: 'a/b', rules: [], omitted: [], ignored: [] } as const;
  const policy = {
    name: 'a',
    namespace: 'b',
    scope: 'Global',
    action: 'Allow',
    dryRun: false,
    rules: [],
    source,
  } as const;
  expect(renderMessage(policy)).toEqual({ name: 'a', namespace: 'b' });
  const broken = { ...policy, rules: [[[{ sourceIps: [{ address: 'nowhere', length: 8 }] }]]] };
  expect(() => renderMessage(broken)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID' }));
});

/** Its addresses as a message gives them back. */
const canonical = (address: string): string => renderAddressBytes(parseAddressBytes(address) ?? new Uint8Array()) ?? '';

test('policy, message, JSON, message, policy: the same', () => {
  fc.assert(
    fc.property(arbitraryPolicy, (policy) => {
      const message = renderMessage(policy);
      const read = readMessage(JSON.parse(JSON.stringify(message)));
      const expected = JSON.parse(JSON.stringify(policy), (key, value) =>
        key === 'address' ? canonical(value) : value,
      );
      expect(read).toEqual(expected);
      expect(renderMessage(read)).toEqual(message);
    }),
    { numRuns: 200 },
  );
});

test('the bytes of an address: there and back', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  const sparse = fc
    .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
    .map((list) => Uint8Array.from(list));
  fc.assert(
    fc.property(fc.oneof(bytes, sparse), (address) => {
      const text = renderAddressBytes(address);
      expect(parseAddressBytes(text ?? '')).toEqual(address);
    }),
  );
  expect(parseAddressBytes('nowhere')).toBeUndefined();
});

test('any data is read or refused, never anything else', () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withTypedArray: true,
  });
  const match = fc.dictionary(
    fc.constantFrom('namespaces', 'source_ips', 'destinationPorts', 'serviceAccounts'),
    fc.array(anything, { maxLength: 2 }),
  );
  const data = fc.oneof(anything, fc.record({ name: anything, groups: anything }), match.map(withMatch));
  fc.assert(
    fc.property(data, (value) => {
      const { length } = findMessageProblems(value).filter(({ severity }) => severity === 'error');
      try {
        renderMessage(readMessage(value));
        expect(length).toBe(0);
      } catch (error) {
        expect(error).toBeInstanceOf(PolicyError);
        expect(length).toBeGreaterThan(0);
      }
    }),
    { numRuns: 500 },
  );
});
