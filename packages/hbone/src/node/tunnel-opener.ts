import type { Duplex } from 'node:stream';
import type { Credentials, CredentialsSource, TlsOptions } from '../engine.ts';
import { createNodeEngine } from '../node-engine/engine.ts';
import type { TunnelOptions } from '../tunnel/link.ts';
import { TunnelPool } from '../tunnel/tunnel-pool.ts';
import { type ConnectTarget, connectSecure } from './connect-secure.ts';
import { openTunnel, requestFields } from './open-tunnel.ts';
import type { TunnelDuplex } from './tunnel-duplex.ts';
import type { TunnelHeaders } from './tunnel-headers.ts';
import { callVerify, type VerifyPeer } from './verify-peer.ts';

/** The port of HBONE. */
export const HBONE_PORT = 15_008;
/** Default of `connectTimeoutMs`: hbone.md §6 and §4, both ends. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Default of `handshakeTimeoutMs`: a handshake is two round trips and a few milliseconds of work. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Default of `responseTimeoutMs`: longer than the other end's own time-out for its connection, so that its answer is heard. */
export const RESPONSE_TIMEOUT_MS = 30_000;

/** What opening a tunnel needs to know of the other end, and how long it may take. */
export interface TunnelClientOptions {
  readonly credentials: CredentialsSource;
  /** The tunnel server; by default the host of the authority. */
  readonly host?: string;
  /** The tunnel server's port; 15008 by default. */
  readonly port?: number;
  /** Says why a server whose chain is valid is refused (its SPIFFE id, say); every valid chain is accepted by default. */
  readonly verify?: VerifyPeer;
  /** Milliseconds for the TCP connection, with the look-up of its name. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds for TLS. */
  readonly handshakeTimeoutMs?: number;
  /** Milliseconds from the request to its answer. */
  readonly responseTimeoutMs?: number;
  /** Streams at which a connection takes no more and closes after the last; 100 by default, the server's limit caps it. */
  readonly maxStreamsPerConnection?: number;
  /** Milliseconds after its last use until an idle connection closes; 300,000 by default. */
  readonly unusedReleaseMs?: number;
  /** Requests that may wait for the same connection to be dialled; 10,000 by default. */
  readonly maxWaiting?: number;
  /** Limits and liveness of the connections. */
  readonly tunnel?: TunnelOptions;
}

/** One tunnel of a `TunnelClient`; `host` and `port` as in `TunnelClientOptions`, for this one. */
export interface OpenTunnelOptions {
  readonly host?: string;
  readonly port?: number;
  /** Header fields of the request. */
  readonly headers?: TunnelHeaders;
  /** Gives up while opening; afterwards destroy the stream. */
  readonly signal?: AbortSignal;
}

/** Opens tunnels on the connections of its pool: what clients and single tunnels have in common. */
export class TunnelOpener {
  readonly pool: TunnelPool;
  readonly #engine = createNodeEngine();
  readonly #options: TunnelClientOptions;
  #credentials: Credentials;

  /** Throws HBONE_CREDENTIALS_INVALID. */
  constructor(options: TunnelClientOptions) {
    const { maxStreamsPerConnection, unusedReleaseMs, maxWaiting, tunnel } = options;
    this.#options = options;
    this.#credentials = this.#engine.credentials(options.credentials);
    this.pool = new TunnelPool(this.#engine, {
      ...(maxStreamsPerConnection !== undefined && { maxStreamsPerConnection }),
      ...(unusedReleaseMs !== undefined && { unusedReleaseMs }),
      ...(maxWaiting !== undefined && { maxWaiting }),
      ...(tunnel !== undefined && { tunnel }),
    });
  }

  /** The next handshakes use these. Throws HBONE_CREDENTIALS_INVALID. */
  rotate(credentials: CredentialsSource): void {
    this.#credentials = this.#engine.credentials(credentials);
  }

  /** Opens a tunnel on a connection that is shared by all of the same server, or inside of a stream. */
  async open(authority: string, options: OpenTunnelOptions, through?: Duplex): Promise<TunnelDuplex> {
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS, responseTimeoutMs = RESPONSE_TIMEOUT_MS } = this.#options;
    const host = options.host ?? this.#options.host ?? hostOf(authority);
    const port = options.port ?? this.#options.port ?? HBONE_PORT;
    const target: ConnectTarget = through === undefined ? { host, port } : { through };
    return openTunnel({
      engine: this.#engine,
      pool: this.pool,
      key: `${host}|${port}`,
      dial: (handler) => connectSecure(this.#engine, { target, connectTimeoutMs, tls: this.#tls() }, handler),
      authority,
      fields: requestFields(authority, options.headers),
      responseTimeoutMs,
      signal: options.signal,
    });
  }

  #tls(): TlsOptions {
    const { verify, handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS } = this.#options;
    return { credentials: this.#credentials, handshakeTimeoutMs, verify: (chain) => callVerify(verify, chain) };
  }
}

/** The host of an authority, without brackets. */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  const host = colon > authority.lastIndexOf(']') ? authority.slice(0, colon) : authority;
  return host.startsWith('[') ? host.slice(1, -1) : host;
}
