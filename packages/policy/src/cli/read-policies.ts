import { convertPolicies } from '../conversion/convert-policies.ts';
import { findMissingNamespace } from '../conversion/find-missing-namespace.ts';
import { findObjectProblems } from '../conversion/find-object-problems.ts';
import type { SelectedWorkload } from '../conversion/peer-authentication-scope.ts';
import { objectKey, type PolicyObject } from '../conversion/policy-object.ts';
import { readPolicyObject } from '../conversion/read-policy-object.ts';
import { PolicyError } from '../errors.ts';
import { findMessageProblems, readMessage } from '../message/read-message.ts';
import type { Policy } from '../policy.ts';
import { invalidPolicy } from '../validation/invalid-policy.ts';
import { guessForm } from '../validation/policy-form.ts';
import { readLocalPolicy, readPolicy } from '../validation/read-policy.ts';
import { withNamespace } from './default-namespace.ts';
import { isOfAnotherKind } from './document-kind.ts';
import { findTwins, type NamedDocument } from './find-twins.ts';
import { invalidCommand } from './parse-options.ts';
import type { YamlDocument } from './yaml-document.ts';

/** Something that should be a policy, and where it stands. */
export type PolicyDocument = Pick<YamlDocument, 'value' | 'locate'>;

/** Policies ready for judging connections. */
export interface GoverningPolicies {
  readonly policies: readonly Policy[];
  /** Those that were read, of whatever use. */
  readonly objects: readonly PolicyObject[];
  /** Keys of the policies whose selectors match a workload: of objects only, for messages do not have selectors any more. */
  readonly policiesOf: (workload: SelectedWorkload) => readonly string[];
  /** As of a conversion. */
  readonly strictBy: (workload: SelectedWorkload) => readonly string[];
}

const READERS = { message: readNamedMessage, policy: readPolicy, local: readLocalPolicy } as const;

/** How objects are understood. */
export interface ReadPoliciesOptions {
  /** Undefined: the usual one. */
  readonly rootNamespace?: string | undefined;
  /** Of objects without one, as with `kubectl apply -n`; undefined: they are refused. */
  readonly namespace?: string | undefined;
}

/**
 * Reads objects as users write them, messages to node proxies, their local configuration and policies of this package, mixed. Objects of other APIs
 * (`apps/v1`) are left out, so that whole folders of manifests can be read; those of `security.istio.io` have to be ones
 * that this package knows. Dry-run policies are in force as such. Throws POLICY_COMMAND_INVALID with the place of the first
 * mistake, and for two that are one and the same policy.
 */
export function readPolicies(
  documents: Iterable<PolicyDocument>,
  options: ReadPoliciesOptions = {},
): GoverningPolicies {
  const objects: PolicyObject[] = [];
  const policies: Policy[] = [];
  const named: NamedDocument<PolicyDocument>[] = [];
  for (const document of documents) {
    if (isOfAnotherKind(document.value)) continue;
    const form = guessForm(document.value);
    if (form === 'object') {
      const object = readAt(document, (value) => readObject(value, options));
      objects.push(object);
      named.push({ document, content: object });
    } else {
      const policy = readAt(document, READERS[form]);
      policies.push(policy);
      named.push({ document, content: policy });
    }
  }
  refuseTwins(named, options.rootNamespace);
  const { rootNamespace } = options;
  const conversion = convertPolicies(objects, {
    dryRun: true,
    ...(rootNamespace === undefined ? {} : { rootNamespace }),
  });
  const { policiesOf, strictBy } = conversion;
  return { policies: [...conversion.policies, ...policies], objects, policiesOf, strictBy };
}

/** One would replace the other, and which of them would be judged by chance of their order. */
function refuseTwins(named: readonly NamedDocument<PolicyDocument>[], rootNamespace: string | undefined): void {
  const [twin] = findTwins(named, rootNamespace);
  if (twin === undefined) return;
  const { name, document, path, earlier, earlierPath } = twin;
  throw invalidCommand(
    `${document.locate(path)}: ${name} is at ${earlier.locate(earlierPath)}, too: one would replace the other`,
  );
}

/** What the API server would refuse is refused, and what has no namespace, too: nobody knows what it is for. */
function readObject(value: unknown, { rootNamespace, namespace }: ReadPoliciesOptions): PolicyObject {
  const given = withNamespace(value, namespace);
  const object = readPolicyObject(given);
  const problems = findObjectProblems(given, rootNamespace === undefined ? {} : { rootNamespace }).filter(
    ({ severity }) => severity === 'error',
  );
  problems.push(...findMissingNamespace(object));
  if (problems.length > 0) throw invalidPolicy(objectKey(object), problems);
  return object;
}

/** Without a name it would be a policy to a node proxy, but hardly to who wrote it. */
function readNamedMessage(value: unknown): Policy {
  const policy = readMessage(value);
  if (policy.name === '') throw invalidPolicy('policy', findMessageProblems(value));
  return policy;
}

function readAt<T>({ value, locate }: PolicyDocument, read: (value: unknown) => T): T {
  try {
    return read(value);
  } catch (error) {
    const problems = error instanceof PolicyError ? error.problems.filter(({ severity }) => severity === 'error') : [];
    const [first] = problems;
    if (first === undefined) throw error;
    const what = first.path === '' ? first.message : `${first.path}: ${first.message}`;
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more: ambient-policy check tells all)` : '';
    throw invalidCommand(`${locate(first.path)}: ${what}${more}`, error);
  }
}
