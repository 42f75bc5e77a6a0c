import type { Problem } from '../problem.ts';
import type { CommandIo } from './command-io.ts';

const OWN_API = 'security.istio.io/';
/** Kinds of that API that say nothing to node proxies. */
const OTHER_KINDS: readonly unknown[] = ['RequestAuthentication'];
const OWN_KINDS: readonly unknown[] = ['AuthorizationPolicy', 'PeerAuthentication'];
/** Other meshes that have one of our kinds, with a meaning of its own. */
const OTHER_MESHES = ['policy.linkerd.io/'];

/** Whether a document is none of this package: an object of another API, or of a kind that says nothing to node proxies. */
export function isOfAnotherKind(value: unknown): boolean {
  const object = identify(value);
  if (object === undefined) return false;
  if (object.apiVersion.startsWith(OWN_API)) return OTHER_KINDS.includes(object.kind);
  // A typo in the API must not take a policy out of what is checked and tested.
  return !OWN_KINDS.includes(object.kind) || isOfAnotherMesh(object.apiVersion);
}

/** Whether no document may be a policy. Without this, verdicts of no policies at all would pass for those of a wrong file. */
export function holdsNoPolicy(documents: readonly { readonly value: unknown }[]): boolean {
  return documents.every(({ value }) => isOfAnotherKind(value) || isSuite(value));
}

/** Suites may lie in the folder of their policies. */
export function isSuite(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'tests' in value && !('kind' in value);
}

/** The warning for an object that is left out, but is called like one of ours; undefined for any other document. */
function findMistakableKind(value: unknown): Problem | undefined {
  const object = identify(value);
  if (object === undefined || !OWN_KINDS.includes(object.kind) || !isOfAnotherMesh(object.apiVersion)) return undefined;
  const message = `this ${String(object.kind)} is one of ${object.apiVersion}: it is left out`;
  return { severity: 'warning', path: 'apiVersion', message };
}

/** Something that may be a policy, and where it stands. */
interface Located {
  readonly value: unknown;
  readonly locate: (path: string) => string;
}

/** The documents that are of this package; how many are not is told on standard error. */
export function leaveOutOthers<T extends Located>(documents: readonly T[], io: CommandIo): readonly T[] {
  const kept = documents.filter(({ value }) => !isOfAnotherKind(value) && !isSuite(value));
  for (const { value, locate } of documents) {
    const problem = findMistakableKind(value);
    if (problem !== undefined) io.writeError(`${locate(problem.path)}: warning: ${problem.message}\n`);
  }
  const others = documents.length - kept.length;
  if (others > 0)
    io.writeError(
      `${others === 1 ? '1 document of another kind is' : `${others} documents of other kinds are`} left out\n`,
    );
  return kept;
}

function identify(value: unknown): { readonly apiVersion: string; readonly kind: unknown } | undefined {
  if (typeof value !== 'object' || value === null || !('apiVersion' in value) || !('kind' in value)) return undefined;
  const { apiVersion, kind } = value;
  return typeof apiVersion === 'string' ? { apiVersion, kind } : undefined;
}

function isOfAnotherMesh(apiVersion: string): boolean {
  return OTHER_MESHES.some((group) => apiVersion.startsWith(group));
}
