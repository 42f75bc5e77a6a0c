import type { Decision } from '../evaluation/decision.ts';
import { compile, type EvaluationOptions, type PolicySet } from '../evaluation/policy-set.ts';
import type { Explanation } from '../explanation/explanation.ts';
import type { Connection, Match, Policy, TargetWorkload } from '../policy.ts';
import { type Expectation, NO_POLICY, type Suite, type SuiteWorkload } from './suite.ts';

/** What a suite is run against. `missing` as for `compile`. */
export interface SuiteSubject extends EvaluationOptions {
  readonly policies: Iterable<Policy>;
  /** Keys of the policies whose selectors match a workload: `policiesOf` of a conversion. */
  readonly policiesOf: (workload: Pick<SuiteWorkload, 'namespace' | 'labels'>) => readonly string[];
}

/** `undecided`: the suite does not tell enough of the connection; that counts as a failure. */
export type TestOutcome = 'passed' | 'failed' | 'undecided';

/** What became of one expectation. */
export interface TestResult {
  readonly expectation: Expectation;
  /** Where it stands: `suite.yaml:9:5`, or its path in the suite. */
  readonly place: string;
  readonly outcome: TestOutcome;
  /** Why it is not as expected, in one line; empty if it passed. */
  readonly message: string;
  /** Undefined if undecided. */
  readonly decision: Decision | undefined;
  /** Of a test that failed. */
  readonly explanation: Explanation | undefined;
}

/** What became of a suite. */
export interface SuiteResult {
  /** Of the file that it was read from. */
  readonly name: string;
  readonly tests: readonly TestResult[];
  readonly passed: number;
  readonly failed: number;
  readonly undecided: number;
}

/** What a suite is called in its result. */
export interface SuiteTitle {
  readonly name: string;
  /** Place of a path in the suite (`tests[3]`); the path itself if absent. */
  readonly locate?: (path: string) => string;
}

/** Judges every connection of a suite. Throws POLICY_INVALID for policies that are none. */
export function runSuite(suite: Suite, subject: SuiteSubject, { name, locate }: SuiteTitle): SuiteResult {
  const set = compile(subject.policies, subject.missing === undefined ? {} : { missing: subject.missing });
  const tests = suite.tests.map((expectation) => {
    const { to } = expectation;
    const keys = [...subject.policiesOf(to), ...to.authorizationPolicies];
    const result = runTest(expectation, set, { namespace: to.namespace, authorizationPolicies: keys });
    return { ...result, expectation, place: locate?.(expectation.path) ?? expectation.path };
  });
  const count = (outcome: TestOutcome): number => tests.filter((test) => test.outcome === outcome).length;
  return { name, tests, passed: count('passed'), failed: count('failed'), undecided: count('undecided') };
}

/** Stands for an address that no condition asks for. */
const NO_ADDRESS = '0.0.0.0';

function runTest(
  expectation: Expectation,
  set: PolicySet,
  workload: TargetWorkload,
): Omit<TestResult, 'expectation' | 'place'> {
  const { from, to, port } = expectation;
  const gap = findGap(expectation, set.select(workload).policies);
  if (gap !== undefined) return { outcome: 'undecided', message: gap, decision: undefined, explanation: undefined };
  const connection: Connection = {
    identity: from.identity,
    sourceIp: from.ip ?? NO_ADDRESS,
    destinationIp: to.ip ?? NO_ADDRESS,
    destinationPort: port,
  };
  const decision = set.evaluate(connection, workload);
  const explanation = set.explain(connection, workload);
  const deciding = findDeciding(decision, explanation, set);
  const message = compare(expectation, decision, deciding);
  if (message === undefined) return { outcome: 'passed', message: '', decision, explanation: undefined };
  return { outcome: 'failed', message, decision, explanation };
}

/** An address that a policy asks for and the suite does not tell. */
function findGap({ from, to }: Expectation, policies: readonly Policy[]): string | undefined {
  const asks = (...fields: readonly (keyof Match)[]) =>
    policies.find(({ rules }) =>
      rules.flat(2).some((match) => fields.some((field) => (match[field]?.length ?? 0) > 0)),
    );
  const source = from.ip === undefined ? asks('sourceIps', 'notSourceIps') : undefined;
  if (source !== undefined)
    return `cannot be decided: ${source.namespace}/${source.name} asks for the source address, and ${from.name} has no ip`;
  const destination = to.ip === undefined ? asks('destinationIps', 'notDestinationIps') : undefined;
  if (destination !== undefined)
    return `cannot be decided: ${destination.namespace}/${destination.name} asks for the destination address, and ${to.name} has no ip`;
  return undefined;
}

/** Keys of all policies that decide, and of the objects that they were made of: the decision names any of them. */
function findDeciding(decision: Decision, explanation: Explanation, set: PolicySet): ReadonlySet<string> {
  const names = new Set<string>();
  const action = decision.code === 'ALLOWED' ? 'Allow' : decision.code === 'DENIED' ? 'Deny' : undefined;
  for (const policy of explanation.policies) {
    if (!policy.matched || policy.dryRun || policy.action !== action) continue;
    names.add(policy.policy);
    const object = set.get(policy.policy)?.source?.object;
    // That of the static strict policy is empty: it stands for any object.
    if (object !== undefined && object !== '') names.add(object);
  }
  return names;
}

/** What is not as expected; undefined if all is. */
function compare(
  { expect, by, enforced }: Expectation,
  decision: Decision,
  deciding: ReadonlySet<string>,
): string | undefined {
  if (decision.allowed !== (expect === 'allow')) return `expected ${expect}, but it is ${describeDecision(decision)}`;
  if (by === NO_POLICY && deciding.size > 0)
    return `expected ${expect} by no policy, but it is ${describeDecision(decision)}`;
  if (by !== undefined && by !== NO_POLICY && !deciding.has(by))
    return `expected ${expect} by ${by}, but it is ${describeDecision(decision)}`;
  const shadow = decision.shadow ?? decision;
  if (enforced !== undefined && shadow.allowed !== (enforced === 'allow'))
    return `expected ${enforced} if dry-run policies were enforced, but then it is ${describeDecision(shadow)}`;
  return undefined;
}

function describeDecision({ allowed, policy, rule, reason }: Omit<Decision, 'shadows' | 'shadow' | 'missing'>): string {
  if (!allowed) return `denied: ${reason}`;
  if (policy === undefined) return 'allowed: no ALLOW policy applies';
  return `allowed by ${policy}${rule === undefined ? '' : `, rule ${rule + 1}`}`;
}
