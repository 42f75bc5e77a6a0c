import type { Cancellable } from '@ambientmesh/hbone';
import { bare } from '../log/line.ts';
import { acceptSocks5 } from '../socks5/socks5.ts';
import type { ConnectionError } from '../telemetry/connection-record.ts';
import { OutboundRoute } from './outbound-route.ts';

/** A connection whose application names its destination by SOCKS5 (port 15080; spec ztunnel.md §7.4). */
export class SocksConnection extends OutboundRoute {
  #negotiation: Cancellable | undefined;

  start(): void {
    const { pod } = this;
    this.#negotiation = acceptSocks5(this.plain, {
      engine: pod.context.engine,
      resolve: pod.lookup,
      onTarget: (_, target, leftover) => {
        this.watch();
        this.route(target, leftover);
      },
      onFailure: (message) => {
        const span = { name: 'socks5', fields: [['id', bare(this.trace.traceId)]] } as const;
        pod.warn(`failed to negotiate socks connection: ${message}`, { scope: 'proxy::socks5', spans: [span] });
        this.finish(undefined);
      },
    });
  }

  override cut(reason: ConnectionError): void {
    this.#negotiation?.cancel();
    super.cut(reason);
  }
}
