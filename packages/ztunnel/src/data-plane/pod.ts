import type { SocketAddress, TunnelPool } from '@ambientmesh/hbone';
import type { Lookup } from '../dns/lookup.ts';
import type { PodAuthorization } from '../inbound/pod-authorization.ts';
import type { LogSpan } from '../log/line.ts';
import type { ConnectionError, RecordContext } from '../telemetry/connection-record.ts';
import type { DataPlaneContext } from './context.ts';
import type { OpeningTunnels } from './opening-tunnels.ts';
import type { PodInfo, ProxyComponent } from './protocol.ts';

/** A connection being served for a pod, as its owner ends it. */
export interface PodConnection {
  readonly component: ProxyComponent;
  /** Takes no more work, and ends when what runs has ended. */
  drain(): void;
  /** Ends now. */
  cut(reason: ConnectionError): void;
  /** Ends now if the peer's certificate has been revoked, or its trust root is none any more; absent where there is none. */
  recheckPeer?(): void;
}

/** Module and spans of a log line, the pod's own span excepted. */
export interface WarningPlace {
  readonly scope?: string;
  readonly spans?: readonly LogSpan[];
}

/** What a connection to be made wants of its socket. */
export interface WantedSocket {
  readonly family: 4 | 6;
  /** Whose address the peer shall see. */
  readonly source?: string;
  /** With a `source`: to where its port must be free; connecting says EADDRNOTAVAIL if it is not. */
  readonly to?: SocketAddress;
}

/** What a connection has of the pod it is served for. */
export interface Pod {
  readonly info: PodInfo;
  readonly context: DataPlaneContext;
  readonly recordContext: RecordContext;
  readonly pool: TunnelPool;
  readonly opening: OpeningTunnels;
  readonly authorization: PodAuthorization;
  /** What log lines about this pod are inside of. */
  readonly span: LogSpan;
  /** Whether the application sees the client's own address. */
  readonly keepsSource: boolean;
  /** Looks a name up as the pod's own queries would be; absent without a DNS proxy. */
  readonly lookup: Lookup | undefined;
  /** An unconnected, marked socket in the pod's namespace. */
  openSocket(wanted: WantedSocket): number;
  /** A warning about this pod. */
  warn(message: string, place?: WarningPlace): void;
  /** Discovery has not told of this pod's workload in time. `spans`: what the connection was inside of. */
  workloadMissing(spans: readonly LogSpan[]): void;
  /** To be called by every connection when it has ended. */
  ended(connection: PodConnection): void;
}

/** Text and flag of connections that a shutdown or the pod's removal ended (spec ztunnel.md §11.1). */
export const DRAINED: ConnectionError = { message: 'connection closed due to connection drain', flag: '-' };

/** The same of connections whose peer's certificate was revoked while they ran (spec hbone.md §9). */
export const REVOKED: ConnectionError = {
  message: 'connection closed: peer certificate revoked by CRL',
  flag: 'CERT_REVOKED',
};

/** The same of connections whose peer's certificate does not lead to a trust root any more: the roots have changed. */
export const UNTRUSTED: ConnectionError = {
  message: 'connection closed: peer certificate leads to no trust root any more',
  flag: 'TLS_FAILURE',
};

/** Which of the two a failure's text is, if it is one. */
export function lostTrustOf(text: string): ConnectionError | undefined {
  return [REVOKED, UNTRUSTED].find(({ message }) => message === text);
}

/** The same of tunnels that led to a removed pod: what the streams on them see (spec zds.md §11). */
export const POD_REMOVED: ConnectionError = {
  message: 'while closing connection: receive: io error: stream closed because of a broken pipe',
  flag: 'CONNECT',
};
