import { dirname, isAbsolute, join } from 'node:path';
import { PolicyError } from '../errors.ts';
import { policyKey } from '../evaluation/policy-key.ts';
import type { Policy } from '../policy.ts';
import { readSuite } from '../suite/read-suite.ts';
import { renderSuiteJunit } from '../suite/render-junit.ts';
import { renderSuiteTap } from '../suite/render-tap.ts';
import { renderSuiteText } from '../suite/render-text.ts';
import { runSuite, type SuiteResult } from '../suite/run-suite.ts';
import type { Suite } from '../suite/suite.ts';
import { type Command, type CommandIo, EXIT } from './command-io.ts';
import { holdsNoPolicy, isSuite, leaveOutOthers } from './document-kind.ts';
import { expandLists } from './mesh-file.ts';
import { choose, invalidCommand, parseOptions } from './parse-options.ts';
import { readSoundDocuments, readSuiteDocuments } from './read-documents.ts';
import { type PolicyDocument, readPolicies } from './read-policies.ts';
import type { YamlDocument } from './yaml-document.ts';

const HELP = `usage: ambient-policy test SUITE… [--format human|tap|junit] [--output FILE]

Judges connections by policies, and tells which verdicts are not the expected ones, and why.
A suite is YAML:

  policies:                      # files and folders beside the suite, or objects themselves
    - policies/
  workloads:
    sleep: {namespace: default, serviceAccount: sleep, labels: {app: sleep}, ip: 10.0.0.1}
    httpbin: {namespace: default, labels: {app: httpbin}}
  tests:
    - from: sleep
      to: httpbin
      port: 8000                 # of the pod, not of the service
      expect: allow              # or deny
      by: default/allow-sleep    # optional: what decides
    - from: {workload: sleep, plaintext: true}
      to: httpbin
      port: 8000
      expect: deny
      by: strict

  from       a workload; or a map of workload or principal (TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT),
             ip, and plaintext: true for a client without a certificate; an ip alone is such one
  to         a workload, or a map as under workloads
  by         optional, what decides: NAMESPACE/NAME of an AuthorizationPolicy, PeerAuthentication
             or message; strict: any STRICT PeerAuthentication; none: no policy's rules match
  enforced   optional: the verdict (allow, deny) if all dry-run policies were enforced
  name       optional: of the test

A workload may have authorizationPolicies, a list of NAMESPACE/NAME, for policies that are given as
messages to node proxies, which have no selectors any more.

Optional fields of the suite: namespace (of objects that have none), rootNamespace (istio-system),
trustDomain (cluster.local). Objects of other APIs in the files are left out.

An address has to be there only if a policy asks for one: without, such a test is undecided.

  --format   human (default); tap: Test Anything Protocol 13; junit: XML
  --output   to this file instead of standard output; a summary still goes there

Exit codes: 0 all as expected, 1 a test failed or is undecided, 2 an error.
`;

/** `test SUITE…`: expectations of policies, for CI. */
export const TEST_COMMAND: Command = {
  usage: 'test SUITE…',
  summary: 'judge connections, and tell which verdicts are not as expected',
  help: HELP,
  run: runTest,
};

const OPTIONS = { format: { type: 'string', default: 'human' }, output: { type: 'string' } } as const;
const RENDERERS = { human: renderSuiteText, tap: renderSuiteTap, junit: renderSuiteJunit } as const;

async function runTest(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseOptions(args, OPTIONS);
  const format = choose('--format', values.format, ['human', 'tap', 'junit']);
  if (positionals.length === 0) throw invalidCommand('test wants a suite: test SUITE.yaml');
  const results: SuiteResult[] = [];
  for (const document of await readSuiteDocuments(positionals, io)) results.push(await runDocument(document, io));
  if (results.length === 0) throw invalidCommand('the suite is empty: want tests');
  const report = RENDERERS[format](results);
  if (values.output === undefined) io.write(report);
  else {
    await io.writeFile(values.output, report);
    io.write(summarize(results));
  }
  return results.some(({ failed, undecided }) => failed + undecided > 0) ? EXIT.finding : EXIT.success;
}

async function runDocument(document: YamlDocument, io: CommandIo): Promise<SuiteResult> {
  const suite = parseSuite(document);
  const documents = await readPolicyDocuments(suite, document, io);
  const governing = readPolicies(documents, suite);
  noteUnnamed(suite, governing.policies, io);
  return runSuite(suite, governing, { name: document.file, locate: document.locate });
}

/** What was made of objects has selectors; messages for chosen workloads apply only to those that name them. */
function noteUnnamed(suite: Suite, policies: readonly Policy[], io: CommandIo): void {
  const named = new Set(suite.tests.flatMap(({ to }) => to.authorizationPolicies));
  for (const policy of policies) {
    const key = policyKey(policy);
    if (policy.scope !== 'WorkloadSelector' || policy.source !== undefined || named.has(key)) continue;
    io.writeError(`${key} is left out: no workload of the tests has it in its authorizationPolicies\n`);
  }
}

function parseSuite({ value, locate }: YamlDocument): Suite {
  try {
    return readSuite(value);
  } catch (error) {
    const [problem] = error instanceof PolicyError ? error.problems : [];
    if (problem === undefined) throw error;
    throw invalidCommand(`${locate(problem.path)}: ${problem.path}: ${problem.message}`, error);
  }
}

/** Each entry has to have some: a wrong name must not make the suite pass. */
async function readPolicyDocuments(suite: Suite, document: YamlDocument, io: CommandIo): Promise<PolicyDocument[]> {
  const documents: PolicyDocument[] = [];
  for (const [index, policies] of suite.policies.entries()) {
    const { name, found } =
      policies.kind === 'object' ? readInline(policies, document) : await readFiles(policies.file, document, io);
    const path = `policies[${index}]`;
    if (holdsNoPolicy(found)) throw invalidCommand(`${document.locate(path)}: ${path}: there is no policy in ${name}`);
    documents.push(
      ...leaveOutOthers(
        found.filter(({ value }) => !isSuite(value)),
        io,
      ),
    );
  }
  return documents;
}

interface FoundDocuments {
  readonly name: string;
  readonly found: readonly PolicyDocument[];
}

function readInline({ path, value }: { path: string; value: unknown }, { locate }: YamlDocument): FoundDocuments {
  const written = { value, locate: (inside: string) => locate(inside === '' ? path : `${path}.${inside}`) };
  return { name: 'it', found: expandLists([written]) };
}

/** Files are named from the folder of the suite. */
async function readFiles(name: string, suite: YamlDocument, io: CommandIo): Promise<FoundDocuments> {
  const path = isAbsolute(name) ? name : join(dirname(suite.file), name);
  const file = path.replace(/(?<=.)\/$/, '');
  return { name: file, found: (await readSoundDocuments([file], io)).documents };
}

function summarize(results: readonly SuiteResult[]): string {
  return renderSuiteText(results).trimEnd().split('\n').at(-1)?.concat('\n') ?? '';
}
