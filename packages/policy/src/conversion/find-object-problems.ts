import type { Problem } from '../problem.ts';
import { findAuthorizationProblems } from './find-authorization-problems.ts';
import { findPeerProblems } from './find-peer-problems.ts';
import { DEFAULT_ROOT_NAMESPACE, type PolicyObject } from './policy-object.ts';
import { ProblemList } from './problem-list.ts';
import { parsePolicyObject } from './read-policy-object.ts';

/**
 * Everything that is wrong with an untyped object, in the order of its parts. Errors: what `readPolicyObject` refuses,
 * values that conversion would drop, and what the reference refuses when an object is applied, by its schema or its
 * admission webhook: empty texts, lists of entries or entries; keys of `when` that it does not know; a selector beside a
 * target; service accounts beside principals or namespaces; DENY and CUSTOM without rules; providers; what CUSTOM cannot
 * have; modes of ports without a selector or without ports; `*` in labels. Templates of paths, and values that only
 * waypoints judge, are not looked at. Warnings: what is taken, but hardly does what was meant. Empty for a good one.
 * Never throws.
 */
export function findObjectProblems(
  value: unknown,
  { rootNamespace = DEFAULT_ROOT_NAMESPACE }: { readonly rootNamespace?: string } = {},
): readonly Problem[] {
  const { partial, problems } = parsePolicyObject(value);
  if (partial === undefined) return problems;
  const more = findValueProblems(partial, rootNamespace);
  if (problems.length === 0) return more;
  const unread = new UnreadPlaces(problems);
  return [...problems, ...more.filter(({ severity, path }) => severity === 'error' && !unread.concerns(path))];
}

/** Steps of a path that are looked at: objects are not nearly as deep, but keys of maps may have any number of dots. */
const MOST_STEPS = 64;

/** What else has nothing to be judged by if a part of the object cannot be read. */
const DEPENDENTS: ReadonlyMap<string, readonly string[]> = new Map([
  // The action says who has a provider.
  ['spec.action', ['spec.provider']],
  ['spec.selector', ['spec.portLevelMtls']],
  ['spec.selector.matchLabels', ['spec.portLevelMtls']],
]);

/** The parts of an object that could not be read. Asking costs what the path is long. */
class UnreadPlaces {
  readonly #places = new Set<string>();
  /** All that they are inside of, and themselves. */
  readonly #outer = new Set<string>();

  constructor(problems: readonly Problem[]) {
    for (const { path } of problems)
      for (const place of [path, ...(DEPENDENTS.get(path) ?? [])]) {
        this.#places.add(place);
        for (const outer of outerPaths(place)) this.#outer.add(outer);
      }
  }

  /** Whether a problem at `path` may come from what could not be read: that is in there, or around it. */
  concerns(path: string): boolean {
    return this.#outer.has(path) || outerPaths(path).some((outer) => this.#places.has(outer));
  }
}

/** `spec`, `spec.rules`, `spec.rules[0]` of `spec.rules[0]`. */
function outerPaths(path: string): readonly string[] {
  const paths = [path];
  for (const { index } of path.matchAll(/[.[]/g)) {
    if (paths.length > MOST_STEPS) break;
    paths.push(path.slice(0, index));
  }
  return paths;
}

function findValueProblems(object: PolicyObject, rootNamespace: string): readonly Problem[] {
  const problems = new ProblemList();
  if (object.metadata.namespace === undefined)
    problems.warn('metadata.namespace', 'is missing: which workloads it is for depends on where it is applied');
  if (object.kind === 'AuthorizationPolicy') findAuthorizationProblems(object, problems);
  else findPeerProblems(object, rootNamespace, problems);
  return problems.found;
}
