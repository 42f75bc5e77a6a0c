import type { Socket } from 'node:net';
import type { Fields } from '../core/contract.ts';
import type { Plain } from '../engine.ts';
import type { NodeEngine } from '../node-engine/engine.ts';
import type { RelayFailure, RelayObserver } from '../relay/relay-failure.ts';
import { TunnelRelay, type TunnelRelayOptions } from '../relay/tunnel-relay.ts';
import type { TunnelOptions } from '../tunnel/link.ts';
import type { ServerStream } from '../tunnel/tunnel-stream.ts';
import { type Cleanup, dialSocket, dialTunnelClient, listenPlain, listenTunnelServer } from './loopback.ts';

/** A request as the tests send it. */
export const CONNECT_FIELDS: Fields = [
  [':method', 'CONNECT'],
  [':authority', '127.0.0.1:80'],
];

/** What an access-log line would say. */
export interface Outcome {
  sent: number;
  received: number;
  ended: boolean;
  failure?: RelayFailure;
}

export function observe(): { readonly outcome: Outcome; readonly observer: RelayObserver } {
  const outcome: Outcome = { sent: 0, received: 0, ended: false };
  return {
    outcome,
    observer: {
      fromFirst: (bytes) => {
        outcome.sent += bytes;
      },
      fromSecond: (bytes) => {
        outcome.received += bytes;
      },
      finished: (failure) => {
        outcome.ended = true;
        if (failure !== undefined) outcome.failure = failure;
      },
    },
  };
}

/** Where a test's sockets are made, and undone. */
export interface Scope {
  readonly engine: NodeEngine;
  readonly cleanup: Cleanup;
}

interface RelayedOptions extends TunnelOptions {
  readonly outcomes?: Outcome[];
  readonly started?: (relay: TunnelRelay) => void;
  readonly applicationReset?: 'end' | 'reset';
}

/** A tunnel server of ours whose streams all go to the application on `port`; answers its own port. */
export async function serveTo(scope: Scope, port: number, options: RelayedOptions = {}): Promise<number> {
  const { engine, cleanup } = scope;
  const relay = (stream: ServerStream, socket: Socket): void => {
    stream.respond(200, [], { last: false });
    start({ stream, plain: engine.adopt(socket), first: 'stream' }, options);
  };
  return listenTunnelServer(
    engine,
    {
      request: (stream) => {
        dialSocket(port, cleanup).then(
          (socket) => relay(stream, socket),
          () => stream.respond(503, [], { last: true }),
        );
      },
      closed: () => {},
    },
    cleanup,
    options,
  );
}

/** A listener whose connections all go through one tunnel to `tunnelPort`; answers its own port. */
export async function forwardTo(scope: Scope, tunnelPort: number, options: RelayedOptions = {}): Promise<number> {
  const { engine, cleanup } = scope;
  const connection = await dialTunnelClient(engine, tunnelPort, cleanup, options);
  const forward = (plain: Plain): void => {
    connection.open(CONNECT_FIELDS, {
      response: (stream, status) => {
        if (status === 200) start({ stream, plain, first: 'plain' }, options);
        else {
          stream.cancel();
          plain.close();
        }
      },
      failed: () => plain.close(),
    });
  };
  return listenPlain(engine, forward, cleanup);
}

function start(
  ends: Omit<TunnelRelayOptions, 'observer'>,
  { outcomes, started, applicationReset = 'end' }: RelayedOptions,
): void {
  const { outcome, observer } = observe();
  outcomes?.push(outcome);
  const relay = new TunnelRelay({ ...ends, observer, applicationReset });
  started?.(relay);
}
