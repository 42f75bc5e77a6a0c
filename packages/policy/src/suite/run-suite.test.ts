import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compile } from '../evaluation/policy-set.ts';
import type { Policy } from '../policy.ts';
import { arbitraryConnection, arbitraryPolicies, arbitraryWorkload } from '../testing/arbitrary-mesh.ts';
import { readSuite } from './read-suite.ts';
import { runSuite } from './run-suite.ts';

const ALLOW_SLEEP: Policy = {
  name: 'allow-sleep',
  namespace: 'default',
  scope: 'Namespace',
  action: 'Allow',
  dryRun: false,
  rules: [[[{ principals: [{ kind: 'exact', value: 'cluster.local/ns/default/sa/sleep' }] }]]],
};
const ALLOW_ALL: Policy = { ...ALLOW_SLEEP, name: 'allow-all', rules: [[]] };
const DENY_ALL: Policy = { ...ALLOW_ALL, name: 'deny-all', action: 'Deny' };
const BY_SELECTOR: Policy = { ...DENY_ALL, name: 'by-selector', scope: 'WorkloadSelector' };
const DRY: Policy = { ...DENY_ALL, name: 'dry', dryRun: true };
const FROM_LAN: Policy = {
  ...DENY_ALL,
  name: 'from-lan',
  rules: [[[{ sourceIps: [{ address: '10.0.0.0', length: 8 }] }]]],
};
const TO_LAN: Policy = {
  ...DENY_ALL,
  name: 'to-lan',
  rules: [[[{ notDestinationIps: [{ address: '10.0.0.0', length: 8 }], namespaces: [] }]]],
};

const TEST = { from: 'sleep', to: 'httpbin', port: 8000, expect: 'allow' };

function run(policies: readonly Policy[], ...tests: readonly object[]) {
  const suite = readSuite({
    workloads: {
      sleep: { namespace: 'default', serviceAccount: 'sleep' },
      other: { namespace: 'default', serviceAccount: 'other', ip: '10.0.0.1' },
      httpbin: { namespace: 'default', labels: { app: 'httpbin' } },
      named: { namespace: 'x', ip: '10.0.0.2', authorizationPolicies: ['default/by-selector'] },
    },
    tests: tests.map((one) => ({ ...TEST, ...one })),
  });
  const policiesOf = ({ labels }: { labels: Readonly<Record<string, string>> }) =>
    labels['app'] === 'httpbin' && policies.includes(BY_SELECTOR) ? ['default/by-selector'] : [];
  return runSuite(suite, { policies, policiesOf }, { name: 'suite' });
}

function strictPolicy(object: string): Policy {
  return {
    ...DENY_ALL,
    name: 'istio_converted_static_strict',
    namespace: 'istio-system',
    scope: 'Global',
    source: { kind: 'PeerAuthentication', object, rules: [], omitted: [], ignored: [] },
  };
}

/** The identity of sleep, which counts how often it is looked at. */
class WatchedIdentity {
  readonly trustDomain = 'cluster.local';
  readonly namespace = 'default';
  reads = 0;

  get serviceAccount(): string {
    this.reads++;
    return 'sleep';
  }
}

/** A test of plain text that is denied, where two PeerAuthentications are STRICT. */
function runStrict(policy: Policy, by: string) {
  const tests = [{ from: { plaintext: true }, to: { namespace: 'default' }, port: 1, expect: 'deny', by }];
  const subject = { policies: [policy], policiesOf: () => [], strictBy: () => ['default/narrow', 'istio-system/wide'] };
  return runSuite(readSuite({ tests }), subject, { name: 's' }).tests[0];
}

describe('verdicts', () => {
  test.each([
    ['allowed by a policy', [ALLOW_SLEEP], {}, undefined],
    ['allowed by the one named', [ALLOW_SLEEP, ALLOW_ALL], { by: 'default/allow-sleep' }, undefined],
    ['or by another that matches as well', [ALLOW_SLEEP, ALLOW_ALL], { by: 'default/allow-all' }, undefined],
    ['allowed as there are no policies', [], { by: 'none' }, undefined],
    ['denied by no rule', [ALLOW_SLEEP], { from: 'other', expect: 'deny', by: 'none' }, undefined],
    ['denied by name', [BY_SELECTOR], { to: 'named', expect: 'deny', by: 'default/by-selector' }, undefined],
    ['denied by a selector', [BY_SELECTOR], { expect: 'deny', by: 'default/by-selector' }, undefined],
    ['of what would be without dry-run', [DRY], { enforced: 'deny' }, undefined],
    ['the same without dry-run policies', [], { enforced: 'allow' }, undefined],
    [
      'another',
      [ALLOW_SLEEP],
      { from: 'other' },
      'expected allow, but it is denied: allow policies exist, but none allowed',
    ],
    [
      'another: allowed by a rule',
      [ALLOW_SLEEP],
      { expect: 'deny' },
      'expected deny, but it is allowed by default/allow-sleep, rule 1',
    ],
    ['another: no policy', [], { expect: 'deny' }, 'expected deny, but it is allowed: no ALLOW policy applies'],
    [
      'by another policy',
      [ALLOW_SLEEP],
      { by: 'default/x' },
      'expected allow by default/x, but it is allowed by default/allow-sleep, rule 1',
    ],
    [
      'by a dry-run policy',
      [DRY, DENY_ALL],
      { expect: 'deny', by: 'default/dry' },
      'expected deny by default/dry, but it is denied: explicitly denied by: default/deny-all',
    ],
    [
      'by a policy',
      [ALLOW_SLEEP],
      { by: 'none' },
      'expected allow by no policy, but it is allowed by default/allow-sleep, rule 1',
    ],
    [
      'another without dry-run',
      [DRY],
      { enforced: 'allow' },
      'expected allow if dry-run policies were enforced, but then it is denied: explicitly denied by: default/dry',
    ],
    [
      'missing policies deny',
      [],
      { to: 'named' },
      'expected allow, but it is denied: policy default/by-selector has not arrived yet',
    ],
  ])('%s', (_name, policies, one, message) => {
    const { tests, passed, failed } = run(policies, one);
    expect(tests).toMatchObject([{ outcome: message === undefined ? 'passed' : 'failed', message: message ?? '' }]);
    expect([passed, failed]).toEqual(message === undefined ? [1, 0] : [0, 1]);
    expect(tests[0]?.explanation === undefined).toBe(message === undefined);
  });

  test.each(['strict', 'default/narrow', 'istio-system/wide', 'istio-system/istio_converted_static_strict'])(
    'denied by a STRICT PeerAuthentication: by %s',
    (by) => {
      expect(runStrict(strictPolicy(''), by)?.outcome).toBe('passed');
    },
  );

  test('denied by STRICT, but not by that one', () => {
    expect(runStrict(strictPolicy(''), 'default/other')?.message).toBe(
      'expected deny by default/other, but it is denied: explicitly denied by: istio-system/istio_converted_static_strict (STRICT by default/narrow or istio-system/wide)',
    );
    expect(runStrict(strictPolicy('default/own'), 'default/own')?.outcome).toBe('passed');
    expect(runStrict(DENY_ALL, 'strict')?.outcome).toBe('failed');
    expect(runStrict(DENY_ALL, 'default/narrow')?.outcome).toBe('failed');
  });

  test('rules are counted as in the object that people wrote', () => {
    // The first two were left out, as only a waypoint can judge them.
    const source = {
      kind: 'AuthorizationPolicy',
      object: 'default/allow-sleep',
      rules: [2],
      omitted: [],
      ignored: [],
    } as const;
    const policy: Policy = { ...ALLOW_SLEEP, source };
    expect(run([policy], { expect: 'deny' }).tests[0]?.message).toBe(
      'expected deny, but it is allowed by default/allow-sleep, rule 3',
    );
  });

  test('tests that pass are judged once, and not explained', () => {
    const subject = { policies: [ALLOW_SLEEP], policiesOf: () => [] };
    const count = (expected: string): number => {
      const one = { from: { plaintext: true }, to: { namespace: 'default' }, port: 1, expect: expected };
      const suite = readSuite({ tests: [{ ...one, by: 'default/allow-sleep' }] });
      const identity = new WatchedIdentity();
      const tests = suite.tests.map((each) => ({ ...each, from: { ...each.from, identity } }));
      runSuite({ ...suite, tests }, subject, { name: 's' });
      return identity.reads;
    };
    const identity = new WatchedIdentity();
    const connection = { identity, sourceIp: '0.0.0.0', destinationIp: '0.0.0.0', destinationPort: 1 };
    compile([ALLOW_SLEEP]).evaluate(connection, { namespace: 'default', authorizationPolicies: [] });
    const alone = identity.reads;
    expect(count('allow')).toBe(alone);
    expect(count('deny')).toBeGreaterThan(alone);
  });

  test('an object that a policy was made of may be named as well', () => {
    const source = {
      kind: 'PeerAuthentication',
      object: 'default/strict',
      rules: [],
      omitted: [],
      ignored: [],
    } as const;
    expect(run([{ ...DENY_ALL, source }], { expect: 'deny', by: 'default/strict' }).passed).toBe(1);
  });
});

describe('an address that the suite does not tell', () => {
  test.each([
    ['source', [FROM_LAN], {}, 'cannot be decided: default/from-lan asks for the source address, and sleep has no ip'],
    [
      'destination',
      [TO_LAN],
      {},
      'cannot be decided: default/to-lan asks for the destination address, and httpbin has no ip',
    ],
  ])('makes a test undecided if it is asked for: %s', (_name, policies, one, message) => {
    expect(run(policies, one)).toMatchObject({
      tests: [{ outcome: 'undecided', message, decision: undefined, explanation: undefined }],
      undecided: 1,
      failed: 0,
    });
  });

  test('is no matter if it is told, or if the policy is of others', () => {
    expect(run([FROM_LAN], { from: 'other', expect: 'deny', by: 'default/from-lan' }).passed).toBe(1);
    expect(run([{ ...FROM_LAN, namespace: 'y' }], {}).passed).toBe(1);
  });
});

test('places are told by whoever knows them', () => {
  const suite = readSuite({ tests: [{ ...TEST, from: { ip: '10.0.0.1' }, to: { namespace: 'x' } }] });
  const subject = { policies: [], policiesOf: () => [] };
  expect(runSuite(suite, subject, { name: 's' }).tests[0]?.place).toBe('tests[0]');
  expect(runSuite(suite, subject, { name: 's', locate: (path) => `s:${path}` }).tests[0]?.place).toBe('s:tests[0]');
});

test('what is expected is found, and nothing else, whatever the policies are', () => {
  fc.assert(
    fc.property(arbitraryPolicies, arbitraryConnection, arbitraryWorkload, (policies, connection, workload) => {
      const { identity, sourceIp, destinationIp, destinationPort: port } = connection;
      const principal = identity && `${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`;
      const decision = compile(policies).evaluate(connection, workload);
      const common = {
        from: { ip: sourceIp, ...(principal === undefined ? {} : { principal }) },
        to: { ...workload, ip: destinationIp },
        port,
      };
      const expected = decision.allowed ? 'allow' : 'deny';
      const suite = readSuite({
        tests: [
          { ...common, expect: expected, by: decision.policy ?? 'none' },
          { ...common, expect: decision.allowed ? 'deny' : 'allow' },
          { ...common, expect: expected, enforced: (decision.shadow ?? decision).allowed ? 'allow' : 'deny' },
        ],
      });
      const { tests } = runSuite(suite, { policies, policiesOf: () => [] }, { name: 's' });
      expect(tests.map(({ outcome }) => outcome)).toEqual(['passed', 'failed', 'passed']);
    }),
    { numRuns: 200 },
  );
});
