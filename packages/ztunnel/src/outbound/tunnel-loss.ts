import { type ConnectionFailure, connectionFailureDebug } from '@ambientmesh/hbone';
import type { Pod } from '../data-plane/pod.ts';
import { bare, type LogSpan } from '../log/line.ts';

/** We cut it, and who did has said why: drained, revoked, or silent. */
const OURS: ReadonlySet<string> = new Set(['ABORTED', 'EPIPE']);

/** What log lines about an application's connection are inside of, its pod excepted. */
export function outboundSpan(traceId: string): LogSpan {
  return { name: 'outbound', fields: [['id', bare(traceId)]] };
}

/**
 * Logs every tunnel that dies other than by close_notify, inside of the connection that had it dialled (spec ztunnel.md §12).
 * Made here, so that a tunnel that lives on does not hold that connection.
 */
export function tunnelLossLog(pod: Pod, traceId: string): (failure: ConnectionFailure) => void {
  return (failure) => {
    if (OURS.has(failure.code)) return;
    pod.context.log.line({
      level: 'error',
      scope: 'proxy::h2::client',
      message: `Error in HBONE connection handshake: ${connectionFailureDebug(failure)}`,
      fields: [],
      spans: [pod.span, outboundSpan(traceId)],
    });
  };
}
