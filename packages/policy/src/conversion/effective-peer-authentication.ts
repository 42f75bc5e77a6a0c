import { convertedKey, staticStrictKey } from './convert-peer-authentication.ts';
import {
  isOpen,
  isStrictByScopes,
  modeOf,
  type PeerAuthenticationScopes,
  portModes,
} from './peer-authentication-scope.ts';
import { objectKey, type PeerAuthentication } from './policy-object.ts';

/**
 * Keys of the policies that refuse plain text to a workload, sorted (spec istiod.md §6.4 B); `workload` is the object
 * that counts for it alone. Whatever is named here is sent: the corners in which the reference names a policy that it
 * never sends, or forgets an exempted port, are repaired (§20).
 */
export function peerAuthenticationKeys(
  workload: PeerAuthentication | undefined,
  scopes: PeerAuthenticationScopes,
  rootNamespace: string,
): readonly string[] {
  const strictByScopes = isStrictByScopes(scopes);
  const mode = modeOf(workload?.spec?.mtls);
  const strict = mode === 'STRICT' || (mode === 'UNSET' && strictByScopes);
  const ports = workload === undefined ? [] : portModes(workload);
  const differs = ports.some((port) => isOpen(port.mode) === strict);
  if (workload !== undefined && differs) return [convertedKey(workload)];
  return strict ? [staticStrictKey(rootNamespace)] : [];
}

/** Keys of the STRICT objects any of which suffices that plain text to a workload is refused, the narrowest first. */
export function strictObjectKeys(
  workload: PeerAuthentication | undefined,
  { namespace, mesh }: PeerAuthenticationScopes,
): readonly string[] {
  const keys = new Set<string>();
  for (const object of [workload, namespace, mesh]) {
    const mode = modeOf(object?.spec?.mtls);
    if (isOpen(mode)) break;
    if (object !== undefined && mode === 'STRICT') keys.add(objectKey(object));
  }
  return [...keys];
}
