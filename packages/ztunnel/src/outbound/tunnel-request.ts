import type { Fields, SocketAddress } from '@ambientmesh/hbone';
import type { Service } from '../state/service.ts';
import type { Workload } from '../state/workload.ts';
import { renderBaggage } from '../telemetry/baggage.ts';
import { renderForwarded } from '../telemetry/forwarded.ts';
import { renderTraceparent, type TraceContext } from '../telemetry/trace-context.ts';

export interface TunnelRequest {
  readonly authority: string;
  /** The original client. */
  readonly client: SocketAddress;
  readonly source: Workload;
  readonly service: Service | undefined;
  readonly trace: TraceContext;
}

/** The header fields of a CONNECT, in the reference's order (spec hbone.md §3.1, §3.2). */
export function tunnelFields(request: TunnelRequest): Fields {
  return [
    [':method', 'CONNECT'],
    [':authority', request.authority],
    ['baggage', renderBaggage(request.source)],
    ['forwarded', renderForwarded(request.client, request.service?.hostname)],
    ['traceparent', renderTraceparent(request.trace)],
  ];
}
