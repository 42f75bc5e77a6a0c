import type { TlsIdentity } from '@ambientmesh/spiffe';

/** Node's limit of 10 MB a session would cut 16 streams of 4 MiB each. Megabytes. */
export const MAX_SESSION_MEMORY = 1_024;

/** What either forwarder of a pair is told with `configure`. */
export interface ForwarderConfig {
  readonly identity: TlsIdentity;
  /** Of a stream, in bytes; Node's default if absent. */
  readonly streamWindowBytes?: number;
  /** Of the connection, in bytes; Node's default if absent. */
  readonly connectionWindowBytes?: number;
}

/** The forwarder beside the client. */
export interface OutboundConfig extends ForwarderConfig {
  /** Where it listens, on `ports`, for the client. */
  readonly listenHost: string;
  readonly ports: readonly number[];
  readonly peer: { readonly host: string; readonly port: number };
  /** The server's address: the host of each CONNECT. */
  readonly destination: string;
}

/** What `outbound.ts` answers. */
export interface OutboundCommands {
  /** Resolves when the session is up and all ports are listened on. */
  configure(config: OutboundConfig): Promise<void>;
}

/** What `inbound.ts` answers. */
export interface InboundCommands {
  /** Resolves when it listens. */
  configure(config: InboundConfig): Promise<void>;
}

/** The forwarder beside the server. */
export interface InboundConfig extends ForwarderConfig {
  readonly host: string;
  readonly port: number;
}
