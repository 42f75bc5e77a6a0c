import { hasTargets } from '../conversion/convert-authorization-policy.ts';
import { findObjectProblems } from '../conversion/find-object-problems.ts';
import { findShadowed } from '../conversion/find-shadowed.ts';
import { objectKey, type PeerAuthentication, type PolicyObject } from '../conversion/policy-object.ts';
import { parsePolicyObject } from '../conversion/read-policy-object.ts';
import { PolicyError } from '../errors.ts';
import { findMessageProblems } from '../message/read-message.ts';
import type { Policy } from '../policy.ts';
import type { Problem } from '../problem.ts';
import { readSuite } from '../suite/read-suite.ts';
import { guessForm } from '../validation/policy-form.ts';
import { findLocalProblems, findProblems } from '../validation/read-policy.ts';
import { type Command, type CommandIo, EXIT } from './command-io.ts';
import { withNamespace } from './default-namespace.ts';
import { isSuite, leaveOutOthers } from './document-kind.ts';
import { findTwins, type NamedDocument } from './find-twins.ts';
import { choose, invalidCommand, parseOptions } from './parse-options.ts';
import { readDocuments } from './read-documents.ts';
import {
  type Finding,
  placeFinding,
  renderFindings,
  renderFindingsAsJson,
  renderFindingsForGithub,
} from './render-findings.ts';
import type { YamlDocument } from './yaml-document.ts';

const HELP = `usage: ambient-policy check FILE… [--strict] [--format human|json|github]
                                  [--namespace NAMESPACE] [--root-namespace NAMESPACE]

Tells what is wrong with policies, one line each: FILE:LINE:COLUMN: severity: path: what.
  error      would be refused when it is applied, by its schema or by the control plane; or is a
             value that cannot be read and would be dropped: a port, an address
  warning    is taken, but hardly does what was meant: HTTP attributes without a waypoint,
             spiffe:// in a principal, an empty selector, two objects for the same workloads,
             two policies of one name, whatever their forms

Reads AuthorizationPolicy and PeerAuthentication objects, messages to node proxies (as convert
prints them), configurations and dumps of node proxies, policies of this package, and suites of
tests. Objects of other APIs are left out, and counted; one of these kinds under another API is an
error.

  --strict           warnings count as errors: for CI
  --format           json: a list; github: for GitHub Actions, which shows each beside its line
  --namespace        of objects that have none, as with kubectl apply -n
  --root-namespace   namespace of the objects that are for the whole mesh (istio-system)

Exit codes: 0 no errors, 1 errors, 2 the command could not run.
`;

/** `check FILE…`: mistakes in policies, with their places. */
export const CHECK_COMMAND: Command = {
  usage: 'check FILE…',
  summary: 'tell what is wrong with policies',
  help: HELP,
  run: runCheck,
};

const OPTIONS = {
  strict: { type: 'boolean', default: false },
  format: { type: 'string', default: 'human' },
  namespace: { type: 'string' },
  'root-namespace': { type: 'string' },
} as const;

const RENDERERS = { human: renderFindings, json: renderFindingsAsJson, github: renderFindingsForGithub } as const;

/** A problem, and the document that it is in. */
interface FoundProblem {
  readonly document: YamlDocument;
  readonly problem: Problem;
}

interface ReadObject {
  readonly document: YamlDocument;
  readonly object: PolicyObject;
}

async function runCheck(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseOptions(args, OPTIONS);
  const format = choose('--format', values.format, ['human', 'json', 'github']);
  if (positionals.length === 0) throw invalidCommand('check wants files: check FILE…');
  const { documents: read } = await readDocuments(positionals, io);
  const suites = read.filter(({ value }) => isSuite(value));
  const others = read.filter(({ value }) => !isSuite(value));
  const policies = leaveOutOthers(others, io).map((document) => ({
    ...document,
    value: withNamespace(document.value, values.namespace),
  }));
  const findings = findAll([...policies, ...suites], values['root-namespace']);
  io.write(RENDERERS[format](findings));
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  io.writeError(`${describeRead(policies, suites)}: ${count(errors, 'error')}, ${count(warnings, 'warning')}\n`);
  return errors > 0 || (values.strict && warnings > 0) ? EXIT.finding : EXIT.success;
}

/** What has been looked at. That a policy is for a waypoint is no mistake, but good to know. */
function describeRead(policies: readonly YamlDocument[], suites: readonly YamlDocument[]): string {
  const forWaypoint = policies.filter(({ value }) => {
    const { object } = parsePolicyObject(value);
    return object?.kind === 'AuthorizationPolicy' && hasTargets(object);
  }).length;
  const note = forWaypoint === 0 ? '' : ` (${forWaypoint} for a waypoint, which node proxies do not get)`;
  const tests = suites.length === 0 ? '' : `, ${count(suites.length, 'suite')}`;
  return `${count(policies.length, 'policy', 'policies')}${note}${tests}`;
}

/** Of each document in its turn, in the order of places. */
function findAll(documents: readonly YamlDocument[], rootNamespace: string | undefined): readonly Finding[] {
  const found = [...findEach(documents, rootNamespace), ...findTogether(documents, rootNamespace)];
  const byDocument = Map.groupBy(found, ({ document }) => document);
  return documents.flatMap((document) => {
    const faults = document.faults.map(({ place, message }) =>
      placeFinding(place, { severity: 'error', path: '', message }),
    );
    const inside = (byDocument.get(document) ?? []).map(({ problem }) =>
      placeFinding(document.locate(problem.path), problem),
    );
    return [...faults, ...inside].toSorted((a, b) => a.line - b.line || a.column - b.column);
  });
}

function findEach(documents: readonly YamlDocument[], rootNamespace: string | undefined): readonly FoundProblem[] {
  return documents
    .filter(({ faults }) => faults.length === 0)
    .flatMap((document) => findIn(document.value, rootNamespace).map((problem) => ({ document, problem })));
}

function findIn(value: unknown, rootNamespace: string | undefined): readonly Problem[] {
  if (isSuite(value)) return findSuiteProblems(value);
  switch (guessForm(value)) {
    case 'object':
      return findObjectProblems(value, rootNamespace === undefined ? {} : { rootNamespace });
    case 'message':
      return findMessageProblems(value);
    case 'policy':
      return findProblems(value);
    case 'local':
      return findLocalProblems(value);
  }
}

function findSuiteProblems(value: unknown): readonly Problem[] {
  try {
    readSuite(value);
    return [];
  } catch (error) {
    if (error instanceof PolicyError) return error.problems;
    throw error;
  }
}

/** What is wrong with documents beside each other. */
function findTogether(documents: readonly YamlDocument[], rootNamespace: string | undefined): readonly FoundProblem[] {
  const objects: ReadObject[] = [];
  const named: NamedDocument<YamlDocument>[] = [];
  for (const document of documents) {
    const content =
      guessForm(document.value) === 'object' ? parsePolicyObject(document.value).object : nameIn(document);
    if (content === undefined) continue;
    named.push({ document, content });
    if ('kind' in content) objects.push({ document, object: content });
  }
  const twins = findTwins(named, rootNamespace).map(({ name, document, path, earlier, earlierPath }) => ({
    document,
    problem: warn(path, `${name} is at ${earlier.locate(earlierPath)}, too: one replaces the other`),
  }));
  return [...twins, ...findYounger(objects)];
}

/** Of a message or a policy; a message leaves out what is empty. */
function nameIn({ value }: YamlDocument): Pick<Policy, 'name' | 'namespace'> | undefined {
  if (typeof value !== 'object' || value === null || !('name' in value)) return undefined;
  const { name } = value;
  const namespace = 'namespace' in value ? value.namespace : '';
  return typeof name === 'string' && typeof namespace === 'string' ? { name, namespace } : undefined;
}

function findYounger(objects: readonly ReadObject[]): readonly FoundProblem[] {
  const peers = new Map<PeerAuthentication, YamlDocument>();
  const seen = new Set<string>();
  for (const { document, object } of objects.toReversed()) {
    // Of twins the last one counts.
    if (object.kind !== 'PeerAuthentication' || seen.has(objectKey(object))) continue;
    seen.add(objectKey(object));
    peers.set(object, document);
  }
  const findings: FoundProblem[] = [];
  for (const [object, older] of findShadowed(peers.keys())) {
    const document = peers.get(object);
    const what = `has no effect: ${objectKey(older)} is for the same workloads, and older or first by name`;
    if (document !== undefined) findings.push({ document, problem: warn('', what) });
  }
  return findings;
}

function warn(path: string, message: string): Problem {
  return { severity: 'warning', path, message };
}

function count(number: number, one: string, several = `${one}s`): string {
  return `${number} ${number === 1 ? one : several}`;
}
