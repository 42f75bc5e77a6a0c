import type { Problem } from '../problem.ts';
import { findAuthorizationProblems } from './find-authorization-problems.ts';
import { findPeerProblems } from './find-peer-problems.ts';
import { DEFAULT_ROOT_NAMESPACE, type PolicyObject } from './policy-object.ts';
import { ProblemList } from './problem-list.ts';
import { parsePolicyObject } from './read-policy-object.ts';

/**
 * Everything that is wrong with an untyped object, in the order of its parts: what `readPolicyObject` refuses, values that
 * conversion would drop or that a control plane would not take (errors), and what hardly does what was meant (warnings).
 * Empty for a good one. Never throws.
 */
export function findObjectProblems(
  value: unknown,
  { rootNamespace = DEFAULT_ROOT_NAMESPACE }: { readonly rootNamespace?: string } = {},
): readonly Problem[] {
  const { partial, problems } = parsePolicyObject(value);
  if (partial === undefined) return problems;
  const more = findValueProblems(partial, rootNamespace);
  return problems.length === 0 ? more : [...problems, ...more.filter((problem) => isCertain(problem, problems))];
}

/** Whether a problem of an object of which only a part could be read has nothing to do with the part that could not. */
function isCertain({ severity, path }: Problem, unread: readonly Problem[]): boolean {
  if (severity === 'warning') return false;
  // The action says who has a provider.
  const places = unread.map((problem) => (problem.path === 'spec.action' ? 'spec.provider' : problem.path));
  return !places.some((place) => isInside(place, path) || isInside(path, place));
}

function isInside(path: string, outer: string): boolean {
  return path === outer || path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`);
}

function findValueProblems(object: PolicyObject, rootNamespace: string): readonly Problem[] {
  const problems = new ProblemList();
  if (object.metadata.namespace === undefined)
    problems.warn('metadata.namespace', 'is missing: unless it is set when applied, the object applies to no workload');
  if (object.kind === 'AuthorizationPolicy') findAuthorizationProblems(object, problems);
  else findPeerProblems(object, rootNamespace, problems);
  return problems.found;
}
