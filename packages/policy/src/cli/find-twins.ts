import { convertedKey, staticStrictKey } from '../conversion/convert-peer-authentication.ts';
import { DEFAULT_ROOT_NAMESPACE, objectKey, type PolicyObject } from '../conversion/policy-object.ts';
import { policyKey } from '../evaluation/policy-key.ts';
import type { Policy } from '../policy.ts';

/** What can be read of a document: an object, or a policy in any other form; and where it stands. */
export interface NamedDocument<T> {
  readonly document: T;
  readonly content: PolicyObject | Pick<Policy, 'name' | 'namespace'>;
}

/** Two documents of which one would replace the other. */
export interface Twin<T> {
  /** What both of them are: `AuthorizationPolicy shop/web`, or the key of the policy that both become. */
  readonly name: string;
  readonly document: T;
  readonly earlier: T;
  /** Of the name, in each of them. */
  readonly path: string;
  readonly earlierPath: string;
}

/**
 * Finds documents that are one object, or become one policy, whatever their forms: node proxies know a policy by its key
 * alone. Of several that do, each is told with the first one.
 */
export function findTwins<T>(
  documents: Iterable<NamedDocument<T>>,
  rootNamespace: string = DEFAULT_ROOT_NAMESPACE,
): readonly Twin<T>[] {
  const twins: Twin<T>[] = [];
  const first = new Map<string, NamedDocument<T>>();
  let hasStrict = false;
  for (const named of documents) {
    const { document, content } = named;
    const strict: boolean = isObject(content) && content.kind === 'PeerAuthentication' && !hasStrict;
    hasStrict ||= strict;
    const keys = [...keysOf(content), ...(strict ? [staticStrictKey(rootNamespace)] : [])];
    const key = keys.find((each) => first.has(each));
    const earlier = key === undefined ? undefined : first.get(key);
    if (key !== undefined && earlier !== undefined)
      twins.push({
        name: isObject(content) && isObject(earlier.content) ? `${content.kind} ${objectKey(content)}` : key,
        document,
        earlier: earlier.document,
        path: pathOf(content),
        earlierPath: pathOf(earlier.content),
      });
    for (const each of keys) if (!first.has(each)) first.set(each, named);
  }
  return twins;
}

/** The key of what it becomes, first of all; a PeerAuthentication may be there beside an AuthorizationPolicy of its name. */
function keysOf(content: NamedDocument<unknown>['content']): readonly string[] {
  if (!isObject(content)) return [policyKey(content)];
  return content.kind === 'AuthorizationPolicy'
    ? [objectKey(content)]
    : [`PeerAuthentication ${objectKey(content)}`, convertedKey(content)];
}

function pathOf(content: NamedDocument<unknown>['content']): string {
  return isObject(content) ? 'metadata.name' : 'name';
}

function isObject(content: NamedDocument<unknown>['content']): content is PolicyObject {
  return 'kind' in content;
}
