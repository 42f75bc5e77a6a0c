import type { Problem } from '../problem.ts';
import type { PolicyObject } from './policy-object.ts';

/** The error that an object has no namespace, where nothing can be said of it without one; empty if it has. */
export function findMissingNamespace({ metadata }: Pick<PolicyObject, 'metadata'>): readonly Problem[] {
  if (metadata.namespace !== undefined) return [];
  const message = 'is missing: which workloads it is for depends on it';
  return [{ severity: 'error', path: 'metadata.namespace', message }];
}
