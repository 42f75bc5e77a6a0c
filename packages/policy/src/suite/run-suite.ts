import type { Decision, Verdict } from '../evaluation/decision.ts';
import { policyKey } from '../evaluation/policy-key.ts';
import { compile, type EvaluationOptions, type PolicySet } from '../evaluation/policy-set.ts';
import type { Explanation } from '../explanation/explanation.ts';
import { NO_ADDRESS } from '../explanation/no-address.ts';
import type { Connection, Match, Policy, TargetWorkload } from '../policy.ts';
import { describeDecider, type Expectation, NO_POLICY, STRICT_MODE, type Suite, type SuiteWorkload } from './suite.ts';

/** What a suite is run against. `missing` as for `compile`. */
export interface SuiteSubject extends EvaluationOptions {
  readonly policies: Iterable<Policy>;
  /** Keys of the policies whose selectors match a workload: `policiesOf` of a conversion. */
  readonly policiesOf: (workload: Pick<SuiteWorkload, 'namespace' | 'labels'>) => readonly string[];
  /** Keys of the PeerAuthentications that refuse plain text to a workload, as `strictBy` of a conversion; none if absent. */
  readonly strictBy?: (workload: Pick<SuiteWorkload, 'namespace' | 'labels'>) => readonly string[];
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
    const workload = { namespace: to.namespace, authorizationPolicies: keys };
    const result = runTest({ expectation, workload, strictBy: subject.strictBy?.(to) ?? [] }, set);
    return { ...result, expectation, place: locate?.(expectation.path) ?? expectation.path };
  });
  const count = (outcome: TestOutcome): number => tests.filter((test) => test.outcome === outcome).length;
  return { name, tests, passed: count('passed'), failed: count('failed'), undecided: count('undecided') };
}

/** One expectation, and what is known of the workload. */
interface Question {
  readonly expectation: Expectation;
  readonly workload: TargetWorkload;
  readonly strictBy: readonly string[];
}

function runTest(question: Question, set: PolicySet): Omit<TestResult, 'expectation' | 'place'> {
  const { expectation, workload } = question;
  const { from, to, port } = expectation;
  const { policies } = set.select(workload);
  const gap = findGap(expectation, policies);
  if (gap !== undefined) return { outcome: 'undecided', message: gap, decision: undefined, explanation: undefined };
  const connection: Connection = {
    identity: from.identity,
    sourceIp: from.ip ?? NO_ADDRESS,
    destinationIp: to.ip ?? NO_ADDRESS,
    destinationPort: port,
  };
  const decision = set.evaluate(connection, workload);
  const message = compare(question, { connection, decision, policies });
  if (message === undefined) return { outcome: 'passed', message: '', decision, explanation: undefined };
  return { outcome: 'failed', message, decision, explanation: set.explain(connection, workload) };
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

interface Judged {
  readonly connection: Connection;
  readonly decision: Decision;
  /** All that apply. */
  readonly policies: readonly Policy[];
}

/** What is not as expected; undefined if all is. */
function compare(question: Question, judged: Judged): string | undefined {
  const { expect, by, enforced } = question.expectation;
  const { decision, policies } = judged;
  const actual = (verdict: Verdict): string => describeVerdict(verdict, policies, question.strictBy);
  if (decision.allowed !== (expect === 'allow')) return `expected ${expect}, but it is ${actual(decision)}`;
  if (by !== undefined && !isDecidedBy(by, question, judged))
    return `expected ${expect} by ${describeDecider(by)}, but it is ${actual(decision)}`;
  const shadow = decision.shadow ?? decision;
  if (enforced !== undefined && shadow.allowed !== (enforced === 'allow'))
    return `expected ${enforced} if dry-run policies were enforced, but then it is ${actual(shadow)}`;
  return undefined;
}

/** The decision names any of the policies that match; each of them decides. */
function isDecidedBy(by: string, question: Question, { connection, decision, policies }: Judged): boolean {
  if (by === NO_POLICY) return decision.policy === undefined;
  if (decision.policy === undefined) return false;
  const action = decision.allowed ? 'Allow' : 'Deny';
  const { namespace } = question.workload;
  return policies.some((policy) => {
    if (policy.dryRun || policy.action !== action || !namesOf(policy, question.strictBy).includes(by)) return false;
    const key = policyKey(policy);
    if (key === decision.policy) return true;
    return compile([policy]).evaluate(connection, { namespace, authorizationPolicies: [key] }).policy !== undefined;
  });
}

/** What a policy may be called: its key, or what it was made of. */
function namesOf(policy: Policy, strictBy: readonly string[]): readonly string[] {
  const { source } = policy;
  const names = [policyKey(policy)];
  // That of the static strict policy is empty: it stands for any object.
  if (source !== undefined && source.object !== '') names.push(source.object);
  if (source?.kind === 'PeerAuthentication') names.push(STRICT_MODE, ...strictBy);
  return names;
}

function describeVerdict(verdict: Verdict, policies: readonly Policy[], strictBy: readonly string[]): string {
  const { allowed, policy: key, rule, reason } = verdict;
  const source = policies.find((policy) => policyKey(policy) === key)?.source;
  if (!allowed) {
    const strict = source?.kind === 'PeerAuthentication' && strictBy.length > 0;
    return `denied: ${reason}${strict ? ` (STRICT by ${strictBy.join(' or ')})` : ''}`;
  }
  if (key === undefined) return 'allowed: no ALLOW policy applies';
  // People count the rules of the object that they wrote.
  const number = rule === undefined ? undefined : (source?.rules[rule] ?? rule) + 1;
  return `allowed by ${key}${number === undefined ? '' : `, rule ${number}`}`;
}
