/** KeyUpdates that nothing comes with: cheap to send, and each asks for an answer. */
import type { Plain } from '@ambientmesh/hbone';
import { QUEUE_LIMIT_BYTES } from '@ambientmesh/hbone/engine';
import { expect, test } from 'vitest';
import { PatternedEnd } from './patterned-end.ts';
import { RawTlsClient } from './raw-tls-client.ts';
import { issue, Pump, ReactorSide, tlsOf } from './side.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const STORM = 20_000;
const UPDATES_A_TURN = 500;
const SLAB_BYTES = 16_384;
const SMALL_SOCKET_BYTES = 4096;
/** Of the sender, which the other end no longer takes from. */
const MOST_UNSENT_BYTES = 20_000;
const MOST_UPDATES = 30_000;
/** Turns in which nothing was taken: it has stopped. */
const STOPPED_TURNS = 300;

interface Storm {
  readonly side: ReactorSide;
  readonly pump: Pump;
  readonly client: RawTlsClient;
  readonly server: PatternedEnd;
}

async function connected(socketBufferBytes?: number): Promise<Storm> {
  const server = new PatternedEnd(1, 0);
  const side = new ReactorSide(socketBufferBytes === undefined ? {} : { socketBufferBytes });
  const pump = new Pump([side]);
  const tls = tlsOf(side.engine, 'server');
  const port = await side.listen((plain: Plain) => {
    server.secure = side.engine.secureServer(plain, tls, server);
  });
  const client = new RawTlsClient(side.engine, await pump.wait(side.dial(port), 'connected'), issue('raw'));
  await pump.until(() => {
    client.turn();
    return client.established && server.events.includes('established');
  }, 'the handshake');
  return { side, pump, client, server };
}

async function end({ side, pump, client, server }: Storm): Promise<void> {
  client.close();
  server.secure!.abort();
  side.deafen();
  await pump.until(() => Object.values(side.engine.holdings).every((count) => count === 0), 'all given back');
  side.close();
}

test(`${STORM} KeyUpdates without a byte: all are answered, and both ways go on`, PATIENCE, async () => {
  const storm = await connected();
  const { pump, client, server } = storm;
  for (let sent = 0; sent < STORM; sent += UPDATES_A_TURN) {
    for (let count = 0; count < UPDATES_A_TURN; count++) client.updateKey();
    await pump.turn();
    client.turn();
    if (server.secure!.room > 0) server.send(1000);
  }
  await pump.until(() => {
    client.turn();
    return client.received === server.sent;
  }, 'what the server sent');
  expect(server.events).toEqual(['established']);
  await end(storm);
});

test(
  'KeyUpdates whose answers nobody reads: what waits is bounded, and goes on once it is read',
  PATIENCE,
  async () => {
    const storm = await connected(SMALL_SOCKET_BYTES);
    const { side, pump, client, server } = storm;
    client.reading = false;
    let updates = 0;
    let most = 0;
    let queued = -1;
    for (let still = 0; still < STOPPED_TURNS && updates < MOST_UPDATES; ) {
      for (let count = 0; count < UPDATES_A_TURN && client.queued < MOST_UNSENT_BYTES; count++) {
        client.updateKey();
        updates++;
      }
      await pump.turn();
      most = Math.max(most, side.engine.holdings.slabs);
      still = client.queued === queued ? still + 1 : 0;
      queued = client.queued;
    }
    // The server reads no more, so that the client's own bytes wait.
    expect(updates).toBeLessThan(MOST_UPDATES);
    expect(server.failure).toBeUndefined();
    expect(most * SLAB_BYTES).toBeLessThan(QUEUE_LIMIT_BYTES);
    client.reading = true;
    server.send(1000);
    await pump.until(
      () => {
        client.turn();
        return client.received === server.sent && client.queued === 0;
      },
      'all answers',
      () => client.queued,
    );
    expect(server.events).toEqual(['established']);
    await end(storm);
  },
);
