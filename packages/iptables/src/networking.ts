import type { PolicyRouting } from './core/owned-rules.ts';
import type { Family } from './core/rule.ts';
import { type Ipv6State, readIpv6State } from './ipv6-state.ts';
import { changeRouting, type RoutingState, readRouting } from './policy-routing.ts';
import type { ToolPlace } from './tool-place.ts';

/** What is to become of the policy routing of one family. */
export interface RoutingChange {
  readonly current: RoutingState;
  readonly wanted: RoutingState;
}

/**
 * Everything but the firewall that this package reads and changes in a namespace. An implementation over netlink saves
 * the processes that the default one starts (`ip` and `sh`). Rejections pass through unchanged.
 */
export interface NamespaceNetworking {
  /** Whether IPv6 can carry traffic there. `fd` stays open until the promise settles; it is not to be closed. */
  readIpv6State(namespace: { readonly fd: number }): Promise<Ipv6State>;
  /** Which parts of `routing` exist there. */
  readRouting(namespace: { readonly fd: number }, family: Family, routing: PolicyRouting): Promise<RoutingState>;
  /**
   * Turns `current` into `wanted`: the route is added before the rule that uses it, and removed after it. What somebody
   * else did meanwhile (it exists already, it is gone already) is success.
   */
  changeRouting(
    namespace: { readonly fd: number },
    family: Family,
    routing: PolicyRouting,
    change: RoutingChange,
  ): Promise<void>;
}

/** The implementation that runs `ip` and `sh`, bound to a place: the namespace it is handed is that of `place`. */
export function toolNetworking(place: ToolPlace): NamespaceNetworking {
  return {
    readIpv6State: () => readIpv6State(place),
    readRouting: (_namespace, family, routing) => readRouting(place, family, routing),
    changeRouting: (_namespace, family, routing, change) => changeRouting(place, family, routing, change),
  };
}
