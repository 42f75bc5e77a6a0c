import type { Mark } from '../core/mark.ts';
import type { PolicyRouting } from '../core/owned-rules.ts';

/** Mark of every socket the node proxy opens in a pod's namespace. */
export const PROXY_MARK: Mark = { value: 0x539, mask: 0xfff };
/** Mark of connections from the proxy to the application, and of the packets answering them. */
export const RETURN_MARK: Mark = { value: 0x111, mask: 0xfff };

/** Spec section 6: packets marked as answers to the proxy are delivered locally, whatever their destination. */
export const AMBIENT_POLICY_ROUTING: PolicyRouting = { mark: RETURN_MARK, priority: 32_764, table: 100 };
