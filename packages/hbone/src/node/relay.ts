import { Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import type { Plain } from '../engine.ts';
import { HboneError } from '../errors.ts';
import type { NodeEngine } from '../node-engine/engine.ts';
import type { RelayFailure } from '../relay/relay-failure.ts';
import { TunnelRelay } from '../relay/tunnel-relay.ts';
import { DuplexPlain } from './duplex-plain.ts';
import { takeStream } from './tunnel-duplex.ts';

export interface RelayOptions {
  /**
   * `reset` (default): a reset of the socket is a reset of the stream (CONNECT_ERROR) and the other way round, RFC 9113 8.5.
   * `end`: either is told as an end, as the ambient mesh has it.
   */
  readonly applicationReset?: 'end' | 'reset' | undefined;
  /** Cuts both ends. */
  readonly signal?: AbortSignal | undefined;
}

/** How a relay ended. */
export interface RelayResult {
  /** Bytes from the socket into the tunnel. */
  readonly toTunnel: number;
  /** Bytes from the tunnel to the socket. */
  readonly fromTunnel: number;
  /** Undefined: both sides ended in an orderly way. Else HBONE_RELAY_FAILED, HBONE_CLOSED, or the signal's reason. */
  readonly error: Error | undefined;
}

/**
 * Passes bytes, ends and resets between a socket and a tunnel until both directions have ended. Takes over both: nobody
 * else reads, writes or destroys them. Never rejects.
 *
 * Fastest with a tunnel of which nothing was read and a `net.Socket`; any other `Duplex` does.
 */
export async function relay(socket: Duplex, tunnel: Duplex, options: RelayOptions = {}): Promise<RelayResult> {
  const { signal } = options;
  const { promise, resolve } = Promise.withResolvers<RelayResult>();
  const cut = startRelay(socket, tunnel, options, resolve);
  const aborted = (): void => cut(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
  if (signal?.aborted === true) aborted();
  signal?.addEventListener('abort', aborted);
  try {
    return await promise;
  } finally {
    signal?.removeEventListener('abort', aborted);
  }
}

type Cut = (reason: Error) => void;

function startRelay(
  socket: Duplex,
  tunnel: Duplex,
  options: RelayOptions,
  resolve: (result: RelayResult) => void,
): Cut {
  const gone = goneAlready('socket', socket) ?? goneAlready('tunnel', tunnel);
  if (gone === undefined) return directRelay(socket, tunnel, options, resolve) ?? streamRelay(socket, tunnel, resolve);
  cutBoth(socket, tunnel, gone);
  resolve({ toTunnel: 0, fromTunnel: 0, error: gone });
  return () => {};
}

/** Neither its end nor its error will be told any more. */
function goneAlready(name: string, { destroyed, errored }: Duplex): HboneError | undefined {
  if (!destroyed) return undefined;
  const text = `the ${name} was destroyed before it was relayed${errored ? `: ${errored.message}` : ''}`;
  return new HboneError('HBONE_RELAY_FAILED', text, { cause: errored });
}

/** A socket whose tunnel was reset ends by a reset too. */
function cutBoth(socket: Duplex, tunnel: Duplex, error: Error): void {
  for (const end of [socket, tunnel]) if (end.listenerCount('error') === 0) end.on('error', () => {});
  tunnel.destroy(error);
  if (socket instanceof Socket && !socket.destroyed) socket.resetAndDestroy();
  else socket.destroy(error);
}

function directRelay(
  socket: Duplex,
  tunnel: Duplex,
  { applicationReset = 'reset' }: RelayOptions,
  resolve: (result: RelayResult) => void,
): Cut | undefined {
  if (socket.destroyed || socket.writableEnded) return undefined;
  let running: TunnelRelay | undefined;
  let toTunnel = 0;
  let fromTunnel = 0;
  let settled = false;
  const settle = (error: Error | undefined): void => {
    if (settled) return;
    settled = true;
    resolve({ toTunnel, fromTunnel, error });
    running?.abort();
    tunnel.destroy();
  };
  const taken = takeStream(tunnel, () => settle(new HboneError('HBONE_CLOSED', 'the tunnel was destroyed')));
  if (taken === undefined) return undefined;
  const ends = {
    stream: taken.stream,
    plain: plainOf(taken.engine, socket),
    first: 'plain',
    applicationReset,
  } as const;
  running = new TunnelRelay({
    ...ends,
    observer: {
      fromFirst: (bytes) => {
        toTunnel += bytes;
      },
      fromSecond: (bytes) => {
        fromTunnel += bytes;
      },
      finished: (failure) => settle(failure && relayError(failure)),
    },
  });
  return settle;
}

function plainOf(engine: NodeEngine, socket: Duplex): Plain {
  socket.allowHalfOpen = true;
  // A socket of TLS reads and writes by itself; a plain one is the engine's own.
  if (!(socket instanceof Socket) || 'encrypted' in socket) return new DuplexPlain(socket);
  socket.setNoDelay(true);
  return engine.adopt(socket);
}

/** What the access log of the mesh says before the reason. */
const ACCESS_LOG_PREFIX = /^(?:while closing connection: )?(?:send|receive): (?:io error: )?/;

function relayError({ direction, text }: RelayFailure): HboneError {
  const reason = text.replace(ACCESS_LOG_PREFIX, '');
  const message = `${direction === 'send' ? 'to' : 'from'} the tunnel: ${reason}`;
  return new HboneError('HBONE_RELAY_FAILED', message, { cause: new Error(text) });
}

/** By streams alone. */
function streamRelay(socket: Duplex, tunnel: Duplex, resolve: (result: RelayResult) => void): Cut {
  let toTunnel = 0;
  let fromTunnel = 0;
  let open = 2;
  let failure: Error | undefined;
  const ended = (cause: Error | null | undefined): void => {
    if (cause) failure ??= new HboneError('HBONE_RELAY_FAILED', cause.message, { cause });
    open -= 1;
    if (open === 0) resolve({ toTunnel, fromTunnel, error: failure });
  };
  const resetBoth = (error: Error): void => cutBoth(socket, tunnel, error);
  socket.allowHalfOpen = true;
  tunnel.once('error', resetBoth);
  socket.on('data', (bytes: Uint8Array) => {
    toTunnel += bytes.length;
  });
  tunnel.on('data', (bytes: Uint8Array) => {
    fromTunnel += bytes.length;
  });
  pipeline(socket, tunnel, ended);
  pipeline(tunnel, socket, ended);
  return (reason) => {
    failure ??= reason;
    resetBoth(reason);
  };
}
