import { findSimilar } from '../validation/find-similar.ts';
import { DRY_RUN_ANNOTATION, readDryRun } from './convert-authorization-policy.ts';
import type { AuthorizationPolicy } from './policy-object.ts';
import type { ProblemList } from './problem-list.ts';

/** Tells where a dry run was meant and the policy is enforced. */
export function findDryRunProblems(object: AuthorizationPolicy, problems: ProblemList): void {
  const { annotations = {}, labels = {} } = object.metadata;
  if (readDryRun(object) === 'invalid')
    problems.fail(
      `metadata.annotations["${DRY_RUN_ANNOTATION}"]`,
      'want "true" or "false": anything else counts as "false", so that the policy is enforced',
    );
  if (Object.hasOwn(annotations, DRY_RUN_ANNOTATION)) return;
  for (const name of Object.keys(annotations).filter(isLikeDryRun))
    problems.warn(
      `metadata.annotations[${JSON.stringify(name)}]`,
      `is not ${DRY_RUN_ANNOTATION}, so the policy is enforced`,
    );
  for (const name of Object.keys(labels).filter(isLikeDryRun))
    problems.warn(
      `metadata.labels[${JSON.stringify(name)}]`,
      `is a label: want the annotation ${DRY_RUN_ANNOTATION}, without which the policy is enforced`,
    );
}

/** By the part behind the domain: `istio.io/dryrun`, `dry-run`, `security.istio.io/Dry_Run`. */
function isLikeDryRun(name: string): boolean {
  const own = name.slice(name.lastIndexOf('/') + 1);
  return findSimilar(own, ['dry-run']) !== undefined;
}
