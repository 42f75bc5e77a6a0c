import { type LookupAddress, lookup } from 'node:dns';
import { type LookupFunction, Socket } from 'node:net';
import type { Cancellable, ConnectionFailure } from '../engine.ts';
import { socketFailure } from '../node-engine/socket-failure.ts';

export interface Destination {
  readonly host: string;
  readonly port: number;
}

/** What becomes of a dial: one of the first two unless it is cancelled, and `over` when nothing of it is left. */
export interface DestinationHandler {
  /** Nothing was read from the socket, and its errors are the handler's from now on. */
  connected(socket: Socket): void;
  failed(failure: ConnectionFailure): void;
  /** Also no look-up of the name, which cannot be called off. Comes last, perhaps before this function has returned. */
  over(): void;
}

/** Connects to where a tunnel leads. */
export function dialDestination(to: Destination, timeoutMs: number, handler: DestinationHandler): Cancellable {
  const socket = new Socket({ allowHalfOpen: true });
  let connecting = true;
  let lookups = 0;
  const left = (): void => {
    if (!connecting && lookups === 0) handler.over();
  };
  const stop = (): boolean => {
    if (!connecting) return false;
    connecting = false;
    clearTimeout(timer);
    return true;
  };
  const fail = (failure: ConnectionFailure): void => {
    if (!stop()) return;
    socket.destroy();
    handler.failed(failure);
    left();
  };
  const late = { code: 'ETIMEDOUT', message: `no connection within ${timeoutMs} ms` };
  const timer = setTimeout(() => fail(late), timeoutMs);
  const failed = (error: Error): void => fail(socketFailure(error));
  socket.on('error', failed);
  const counted: LookupFunction = (name, options, found) => {
    lookups += 1;
    lookup(name, options, (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => {
      lookups -= 1;
      found(error, address, family);
      left();
    });
  };
  // Nothing may be read before the answer.
  socket.pause();
  try {
    socket.connect({ host: to.host, port: to.port, lookup: counted }, () => {
      if (!stop()) return;
      socket.off('error', failed);
      socket.setNoDelay(true);
      handler.connected(socket);
      left();
    });
  } catch (error) {
    // A port that is none, say.
    fail(socketFailure(error));
  }
  return {
    cancel: () => {
      if (!stop()) return;
      socket.destroy();
      left();
    },
  };
}
