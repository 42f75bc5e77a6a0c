import { PolicyError } from '../errors.ts';
import type { Problem } from '../problem.ts';

const SHOWN = 3;

/** The error for data that has `problems`: one line that names the first ones. `what` says what is wrong: `policy shop/web`. */
export function invalidPolicy(what: string, problems: readonly Problem[]): PolicyError {
  const shown = problems.slice(0, SHOWN).map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  const more = problems.length > SHOWN ? `; and ${problems.length - SHOWN} more` : '';
  return new PolicyError('POLICY_INVALID', `${what}: ${shown.join('; ')}${more}`, { problems });
}

/** `policy shop/web` as far as its name can be read. */
export function nameOfPolicy(value: unknown): string {
  if (typeof value !== 'object' || value === null || !('name' in value) || typeof value.name !== 'string')
    return 'policy';
  const namespace = 'namespace' in value && typeof value.namespace === 'string' ? value.namespace : '';
  return `policy ${namespace}/${value.name}`;
}
