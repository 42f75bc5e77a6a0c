import type { Duplex } from 'node:stream';
import type { Credentials, CredentialsSource } from '../engine.ts';
import { createNodeEngine } from '../node-engine/engine.ts';
import { TunnelPool } from '../tunnel/tunnel-pool.ts';
import {
  type GivenTunnelOptions,
  requireLimit,
  requirePort,
  requireTimeoutMs,
  requireTunnelOptions,
} from './checked-options.ts';
import { type ConnectTarget, connectSecure } from './connect-secure.ts';
import { openTunnel, requestFields } from './open-tunnel.ts';
import type { TunnelDuplex } from './tunnel-duplex.ts';
import type { TunnelHeaders } from './tunnel-headers.ts';
import type { VerifyPeer } from './verify-peer.ts';

/** The port of HBONE. */
export const HBONE_PORT = 15_008;
/** Default of `connectTimeoutMs`: hbone.md §6 and §4, both ends. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Default of `handshakeTimeoutMs`: a handshake is two round trips and a few milliseconds of work. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Default of `responseTimeoutMs`: longer than the other end's own time-out for its connection, so that its answer is heard. */
export const RESPONSE_TIMEOUT_MS = 30_000;

/** What opening a tunnel needs to know of the other end, and how long it may take. `Infinity` is no limit. */
export interface TunnelClientOptions {
  readonly credentials: CredentialsSource;
  /** The tunnel server; by default the host of the authority. */
  readonly host?: string | undefined;
  /** The tunnel server's port; 15008 by default. */
  readonly port?: number | undefined;
  /** Says why a server whose chain is valid is refused (its SPIFFE id, say); every valid chain is accepted by default. */
  readonly verify?: VerifyPeer | undefined;
  /** Milliseconds for the TCP connection, with the look-up of its name. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds for TLS. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Milliseconds from the request to its answer. */
  readonly responseTimeoutMs?: number | undefined;
  /** Streams at which a connection takes no more and closes after the last; 100 by default, the server's limit caps it. */
  readonly maxStreamsPerConnection?: number | undefined;
  /** Milliseconds after its last use until an idle connection closes; 300,000 by default. */
  readonly unusedReleaseMs?: number | undefined;
  /** Requests that may wait for the same connection to be dialled; 10,000 by default. */
  readonly maxWaiting?: number | undefined;
  /** Limits and liveness of the connections. */
  readonly tunnel?: GivenTunnelOptions | undefined;
}

/** One tunnel of a `TunnelClient`; `host` and `port` as in `TunnelClientOptions`, for this one. */
export interface OpenTunnelOptions {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** Header fields of the request. */
  readonly headers?: TunnelHeaders | undefined;
  /** Gives up while opening; afterwards destroy the stream. */
  readonly signal?: AbortSignal | undefined;
}

/** Opens tunnels on the connections of its pool: what clients and single tunnels have in common. */
export class TunnelOpener {
  readonly pool: TunnelPool;
  readonly #engine = createNodeEngine();
  readonly #options: TunnelClientOptions;
  readonly #connectTimeoutMs: number;
  readonly #handshakeTimeoutMs: number;
  readonly #responseTimeoutMs: number;
  #credentials: Credentials;
  /** Connections with earlier credentials are not shared. */
  #rotations = 0;

  /** Throws HBONE_OPTIONS_INVALID, HBONE_CREDENTIALS_INVALID. */
  constructor(options: TunnelClientOptions) {
    const { maxStreamsPerConnection, unusedReleaseMs, maxWaiting, tunnel } = options;
    const { connectTimeoutMs, handshakeTimeoutMs, responseTimeoutMs, port } = options;
    this.#options = options;
    this.#connectTimeoutMs = requireTimeoutMs('connectTimeoutMs', connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    this.#handshakeTimeoutMs = requireTimeoutMs('handshakeTimeoutMs', handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS);
    this.#responseTimeoutMs = requireTimeoutMs('responseTimeoutMs', responseTimeoutMs ?? RESPONSE_TIMEOUT_MS);
    if (port !== undefined) requirePort('port', port, 1);
    this.#credentials = this.#engine.credentials(options.credentials);
    this.pool = new TunnelPool(this.#engine, {
      ...(maxStreamsPerConnection !== undefined && {
        maxStreamsPerConnection: requireLimit('maxStreamsPerConnection', maxStreamsPerConnection),
      }),
      ...(unusedReleaseMs !== undefined && {
        unusedReleaseMs: requireTimeoutMs('unusedReleaseMs', unusedReleaseMs),
      }),
      ...(maxWaiting !== undefined && { maxWaiting: requireLimit('maxWaiting', maxWaiting) }),
      tunnel: requireTunnelOptions('client', tunnel),
    });
  }

  /** The next requests are on connections that were made with these. Throws HBONE_CREDENTIALS_INVALID. */
  rotate(credentials: CredentialsSource): void {
    this.#credentials = this.#engine.credentials(credentials);
    this.#rotations += 1;
    this.pool.retire();
  }

  /** Opens a tunnel on a connection that is shared by all of the same server, or inside of a stream. */
  async open(authority: string, options: OpenTunnelOptions, through?: Duplex): Promise<TunnelDuplex> {
    const host = options.host ?? this.#options.host ?? hostOf(authority);
    const port = requirePort('port', options.port ?? this.#options.port ?? HBONE_PORT, 1);
    const { verify } = this.#options;
    const tls = { credentials: this.#credentials, handshakeTimeoutMs: this.#handshakeTimeoutMs };
    const target: ConnectTarget = through === undefined ? { host, port } : { through };
    return openTunnel({
      engine: this.#engine,
      pool: this.pool,
      key: `${this.#rotations}|${host}|${port}`,
      dial: (handler) =>
        connectSecure(this.#engine, { target, connectTimeoutMs: this.#connectTimeoutMs, tls, verify }, handler),
      authority,
      fields: requestFields(authority, options.headers),
      responseTimeoutMs: this.#responseTimeoutMs,
      signal: options.signal,
    });
  }
}

/** The host of an authority, without brackets. */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  const host = colon > authority.lastIndexOf(']') ? authority.slice(0, colon) : authority;
  return host.startsWith('[') ? host.slice(1, -1) : host;
}
