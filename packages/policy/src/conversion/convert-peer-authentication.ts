import type { Clause, Match, Policy, Rule } from '../policy.ts';
import {
  isOpen,
  isStrictByScopes,
  modeOf,
  type PeerAuthenticationScopes,
  portModes,
} from './peer-authentication-scope.ts';
import { DEFAULT_ROOT_NAMESPACE, objectKey, type PeerAuthentication } from './policy-object.ts';

/** Holds for plain text only. */
const PLAIN_TEXT: Match = { notPrincipals: [{ kind: 'presence' }] };

/** No Kubernetes object can have these names, for the `_` in them. */
const STATIC_STRICT_NAME = 'istio_converted_static_strict';
const CONVERTED_NAME = 'converted_peer_authentication_';

/**
 * The policy that denies all plain text to the workloads that name it. Node proxies have it as soon as there is any
 * PeerAuthentication (spec istiod.md §6.3). Its `source.object` is empty: it stands for every STRICT one.
 */
export function staticStrictPolicy(rootNamespace: string = DEFAULT_ROOT_NAMESPACE): Policy {
  return {
    ...denyPolicy(rootNamespace, STATIC_STRICT_NAME, [[[PLAIN_TEXT]]]),
    source: { kind: 'PeerAuthentication', object: '', rules: [], omitted: [], ignored: [] },
  };
}

/** Key of `staticStrictPolicy`. */
export function staticStrictKey(rootNamespace: string): string {
  return `${rootNamespace}/${STATIC_STRICT_NAME}`;
}

/** Key of what `convertPeerAuthentication` makes of an object. */
export function convertedKey({ metadata: { namespace = '', name } }: PeerAuthentication): string {
  return `${namespace}/${CONVERTED_NAME}${name}`;
}

/**
 * Converts one object with modes of ports (spec istiod.md §6.3), `scopes` being what counts in its namespace and its
 * mesh. Undefined for an object without selector or such modes, for one in the root namespace, and where the modes of
 * the ports are those that hold anyway. Never throws.
 */
export function convertPeerAuthentication(
  object: PeerAuthentication,
  scopes: PeerAuthenticationScopes,
  rootNamespace: string = DEFAULT_ROOT_NAMESPACE,
): Policy | undefined {
  const { namespace = '', name } = object.metadata;
  if (object.spec?.selector === undefined || namespace === rootNamespace) return undefined;
  const rules = convertModes(object, isStrictByScopes(scopes));
  if (rules.length === 0) return undefined;
  return {
    ...denyPolicy(namespace, `${CONVERTED_NAME}${name}`, rules),
    source: { kind: 'PeerAuthentication', object: objectKey(object), rules: [], omitted: [], ignored: [] },
  };
}

/** One rule for each strict port of a workload that is open; one with all exempted ports of a workload that is strict. */
function convertModes(object: PeerAuthentication, strictByScopes: boolean): readonly Rule[] {
  const mode = modeOf(object.spec?.mtls);
  const strict = mode === 'STRICT' || (mode === 'UNSET' && strictByScopes);
  const ports = portModes(object);
  if (!strict)
    return ports
      .filter((port) => port.mode === 'STRICT')
      .map(({ port }) => [[{ destinationPorts: [port], ...PLAIN_TEXT }]]);
  const exempted = ports.filter((port) => isOpen(port.mode));
  if (exempted.length === 0) return [];
  const clauses: Clause[] = exempted.map(({ port }) => [{ notDestinationPorts: [port] }]);
  // Where both hold it is said twice, as the reference does.
  if (mode === 'STRICT') clauses.unshift([PLAIN_TEXT]);
  if (strictByScopes) clauses.push([PLAIN_TEXT]);
  return [clauses];
}

function denyPolicy(namespace: string, name: string, rules: readonly Rule[]): Policy {
  return { name, namespace, scope: 'WorkloadSelector', action: 'Deny', dryRun: false, rules };
}
