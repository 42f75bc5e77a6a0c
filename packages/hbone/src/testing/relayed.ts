import type { NodeEngine } from '../node-engine/engine.ts';
import type { RelayFailure, RelayObserver } from '../relay/relay-failure.ts';
import { TunnelRelay } from '../relay/tunnel-relay.ts';
import type { TunnelOptions } from '../tunnel/link.ts';
import { type Cleanup, dialSocket, dialTunnelClient, listenPlain, listenTunnelServer } from './loopback.ts';

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

/** A tunnel server of ours whose streams all go to the application on `port`; answers its own port. */
export async function serveTo(
  engine: NodeEngine,
  port: number,
  cleanup: Cleanup,
  outcomes: Outcome[] = [],
  started?: (relay: TunnelRelay) => void,
  options?: TunnelOptions,
): Promise<number> {
  return await listenTunnelServer(
    engine,
    {
      request: (stream) => {
        dialSocket(port, cleanup).then(
          (socket) => {
            stream.respond(200, [], { last: false });
            const { outcome, observer } = observe();
            outcomes.push(outcome);
            const relay = new TunnelRelay({ stream, plain: engine.adopt(socket), first: 'stream', observer });
            started?.(relay);
          },
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
export async function forwardTo(
  engine: NodeEngine,
  tunnelPort: number,
  cleanup: Cleanup,
  outcomes: Outcome[] = [],
  options?: TunnelOptions,
): Promise<number> {
  const connection = await dialTunnelClient(engine, tunnelPort, cleanup, options);
  return await listenPlain(
    engine,
    (plain) => {
      connection.open(
        [
          [':method', 'CONNECT'],
          [':authority', '127.0.0.1:80'],
        ],
        {
          response: (stream, status) => {
            if (status !== 200) {
              stream.cancel();
              plain.close();
              return;
            }
            const { outcome, observer } = observe();
            outcomes.push(outcome);
            new TunnelRelay({ stream, plain, first: 'plain', observer });
          },
          failed: () => plain.close(),
        },
      );
    },
    cleanup,
  );
}
