import type { Plain, SocketAddress } from '@ambientmesh/hbone';
import { capturedDestination } from '../data-plane/captured-destination.ts';
import type { Pod } from '../data-plane/pod.ts';
import { OutboundRoute } from './outbound-route.ts';

/** A connection that the pod's application opened and the rules captured (port 15001; spec ztunnel.md §7.1). */
export class OutboundConnection extends OutboundRoute {
  readonly #target: SocketAddress | string;

  constructor(pod: Pod, plain: Plain) {
    super(pod, plain);
    this.#target = capturedDestination(plain);
  }

  start(): void {
    if (typeof this.#target === 'string') this.refuse(this.plain.local, this.#target);
    else this.route(this.#target);
  }
}
