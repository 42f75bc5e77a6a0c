import type { Plain, SocketAddress } from '@ambientmesh/hbone';
import { originalDestination } from '@ambientmesh/netns';
import type { Pod } from '../data-plane/pod.ts';
import { OutboundRoute } from './outbound-route.ts';

/** A connection that the pod's application opened and the rules captured (port 15001; spec ztunnel.md §7.1). */
export class OutboundConnection extends OutboundRoute {
  readonly #target: SocketAddress;

  constructor(pod: Pod, plain: Plain) {
    super(pod, plain);
    this.#target = originalDestination(plain.descriptor, plain.local);
  }

  start(): void {
    this.route(this.#target);
  }
}
