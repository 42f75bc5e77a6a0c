import { createHash, randomBytes } from 'node:crypto';
import { connect as connectHttp2, constants, createSecureServer, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { createNodeEngine, ErrorCode, type RelayFailure, TunnelRelay } from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import {
  dialSocket,
  dialTunnelClient,
  fixture,
  listenPlain,
  listenSockets,
  listenTunnelServer,
} from '../testing/loopback.ts';

const MEBIBYTE = 1_048_576;
const engine = createNodeEngine();
const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => void undos.push(undo);

afterEach(() => {
  for (const undo of undos.splice(0).reverse()) undo();
});

interface Outcome {
  sent: number;
  received: number;
  ended: boolean;
  failure?: RelayFailure;
}

function observe(): { outcome: Outcome; observer: ConstructorParameters<typeof TunnelRelay>[0]['observer'] } {
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

/** Our server: every stream is connected to the application on `port`. */
async function serveTo(port: number, outcomes: Outcome[] = []): Promise<number> {
  return await listenTunnelServer(
    engine,
    {
      request: (stream) => {
        let early: (() => void) | undefined;
        stream.handler = { data: () => {}, ended: () => {}, writable: () => {}, failed: () => early?.() };
        void dialSocket(port, cleanup).then((socket) => {
          const plain = engine.adopt(socket);
          early = undefined;
          stream.respond(200, [], { last: false });
          const { outcome, observer } = observe();
          outcomes.push(outcome);
          new TunnelRelay({ stream, plain, first: 'stream', observer });
        });
      },
      closed: () => {},
    },
    cleanup,
  );
}

/** Our client: every connection to the answered port goes through one tunnel to `tunnelPort`. */
async function forwardTo(tunnelPort: number, outcomes: Outcome[] = []): Promise<number> {
  const connection = await dialTunnelClient(engine, tunnelPort, cleanup);
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

async function bodyOf(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('echo through our client and our server', async () => {
  const client: Outcome[] = [];
  const server: Outcome[] = [];
  const app = await listenSockets((socket) => socket.pipe(socket), cleanup);
  const port = await forwardTo(await serveTo(app, server), client);
  const socket = await dialSocket(port, cleanup);
  socket.end('hello');
  expect((await bodyOf(socket)).toString()).toBe('hello');
  await vi.waitUntil(() => client[0]?.ended && server[0]?.ended);
  expect(client).toEqual([{ sent: 5, received: 5, ended: true }]);
  expect(server).toEqual([{ sent: 5, received: 5, ended: true }]);
});
