import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Fields } from '../core/contract.ts';
import type { CredentialsSource, Secure, TlsOptions } from '../engine.ts';
import { HboneError } from '../errors.ts';
import { createNodeEngine, type NodeEngine } from '../node-engine/engine.ts';
import { socketFailure } from '../node-engine/system-failure.ts';
import { ClientConnection } from '../tunnel/client-connection.ts';
import { streamFailureText } from '../tunnel/stream-failure.ts';
import { StreamDuplex } from './stream-duplex.ts';

/** Default of `handshakeTimeoutMs`. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** The port of HBONE. */
export const HBONE_PORT = 15_008;
const OK = 200;

export interface DialTunnelOptions {
  readonly host: string;
  /** 15008 by default. */
  readonly port?: number;
  /** Where the tunnel leads: `ip:port`, `[ipv6]:port` or `name:port`. */
  readonly authority: string;
  readonly credentials: CredentialsSource;
  /** Fields of the request behind `:method` and `:authority`. */
  readonly fields?: Fields;
  /** Says why a server whose chain is valid is refused (its SPIFFE id, say); every valid chain is accepted by default. */
  readonly verify?: TlsOptions['verify'];
  readonly handshakeTimeoutMs?: number;
  /** Gives up while dialling; afterwards destroy the stream. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a tunnel on a connection of its own, which closes with it. Throws HBONE_CREDENTIALS_INVALID, HBONE_DIAL_FAILED
 * (connection or TLS), HBONE_REQUEST_REFUSED (a status but 200), HBONE_STREAM_FAILED, or the signal's reason. Who opens
 * many uses `TunnelPool`.
 */
export async function dialTunnel(options: DialTunnelOptions): Promise<Duplex> {
  const { signal } = options;
  signal?.throwIfAborted();
  const engine = createNodeEngine();
  const credentials = engine.credentials(options.credentials);
  const socket = new Socket({ allowHalfOpen: true });
  const abort = (): void => {
    socket.destroy(signal?.reason instanceof Error ? signal.reason : undefined);
  };
  signal?.addEventListener('abort', abort);
  try {
    await connected(socket, options);
    const secure = await handshake(engine, socket, { ...DEFAULTS, ...pickTls(options), credentials });
    return await openStream(engine, secure, options);
  } catch (error) {
    socket.destroy();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

const DEFAULTS = { verify: (): undefined => undefined, handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS };

function pickTls(options: DialTunnelOptions): Partial<Omit<TlsOptions, 'credentials'>> {
  const { handshakeTimeoutMs, verify } = options;
  return { ...(verify && { verify }), ...(handshakeTimeoutMs !== undefined && { handshakeTimeoutMs }) };
}

function connected(socket: Socket, { host, port = HBONE_PORT }: DialTunnelOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on('error', (cause) => {
      const text = `connect ${host}:${port}: ${socketFailure(cause).message}`;
      reject(new HboneError('HBONE_DIAL_FAILED', text, { cause }));
    });
    // Nothing may be read before TLS takes over.
    socket.pause();
    socket.connect({ host, port }, () => {
      socket.setNoDelay(true);
      resolve();
    });
  });
}

function handshake(engine: NodeEngine, socket: Socket, tls: TlsOptions): Promise<Secure> {
  return new Promise((resolve, reject) => {
    const secure: Secure = engine.secureClient(engine.adopt(socket), tls, {
      established: () => resolve(secure),
      bytes: () => {},
      delivered: () => {},
      writable: () => {},
      ended: () => {},
      failed: ({ message }) => reject(new HboneError('HBONE_DIAL_FAILED', `TLS: ${message}`)),
    });
    socket.once('close', () => reject(new HboneError('HBONE_DIAL_FAILED', 'TLS: the connection was closed')));
  });
}

function openStream(engine: NodeEngine, secure: Secure, options: DialTunnelOptions): Promise<Duplex> {
  const { authority, fields = [] } = options;
  return new Promise((resolve, reject) => {
    const connection = new ClientConnection(engine, secure, { closed: () => {} });
    const opened = connection.open([[':method', 'CONNECT'], [':authority', authority], ...fields], {
      response: (stream, status) => {
        if (status === OK) {
          resolve(new StreamDuplex(stream, () => connection.close()));
          return;
        }
        stream.cancel();
        connection.close();
        reject(new HboneError('HBONE_REQUEST_REFUSED', `CONNECT ${authority}: status ${status}`));
      },
      failed: (failure) => {
        connection.close();
        reject(new HboneError('HBONE_STREAM_FAILED', `CONNECT ${authority}: ${streamFailureText(failure)}`));
      },
    });
    if (opened === undefined) reject(new HboneError('HBONE_STREAM_FAILED', `CONNECT ${authority}: no stream`));
  });
}
