import { convertedKey, staticStrictKey } from './convert-peer-authentication.ts';
import {
  isOpen,
  isStrictByScopes,
  modeOf,
  type PeerAuthenticationScopes,
  portModes,
} from './peer-authentication-scope.ts';
import type { PeerAuthentication } from './policy-object.ts';

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
