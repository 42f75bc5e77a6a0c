import {
  type ClientConnection,
  type ClientStream,
  connectTunnel,
  type Dial,
  type Engine,
  type NodeEngine,
  type Plain,
  type ServerConnection,
  TunnelPool,
  type TunnelPoolOptions,
} from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import { createFakeClockEngine } from '../testing/fake-clock.ts';
import { dialPlain, fixtureTls, listenTunnelServer } from '../testing/loopback.ts';
import { soon } from '../testing/soon.ts';
import { createTestEngine } from '../testing/test-engine.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};

afterEach(async () => {
  // Not from inside a handshake's callback: Node frees what OpenSSL is still using when both sockets go there.
  await new Promise(setImmediate);
  for (const undo of undos.splice(0).toReversed()) undo();
});

interface Rig {
  readonly engine: NodeEngine;
  readonly pool: TunnelPool;
  readonly accepted: ServerConnection[];
  readonly dials: { count: number };
  readonly open: (key?: string) => Promise<ClientStream>;
}

async function rig(options: TunnelPoolOptions = {}, engine: NodeEngine = createTestEngine()): Promise<Rig> {
  const accepted: ServerConnection[] = [];
  const port = await listenTunnelServer(
    engine,
    {
      request: (stream) => {
        stream.respond(200, [], { last: false });
        stream.handler = {
          data: () => {},
          ended: () => stream.end(),
          writable: () => {},
          failed: () => {},
        };
        stream.start();
      },
      closed: () => {},
    },
    cleanup,
    { accepted: (connection) => accepted.push(connection) },
  );
  const pool = new TunnelPool(engine, options);
  cleanup(() => pool.close());
  const dials = { count: 0 };
  const dial = dialTo(engine, port, dials);
  return {
    engine,
    pool,
    accepted,
    dials,
    open: async (key = 'k') =>
      new Promise<ClientStream>((resolve, reject) => {
        pool.open(
          {
            key,
            dial,
            fields: [
              [':method', 'CONNECT'],
              [':authority', '127.0.0.1:80'],
            ],
          },
          {
            response: (stream) => resolve(stream),
            failed: (failure) => reject(new Error(failure.kind)),
            dialFailed: (failure) => reject(new Error(failure.message)),
          },
        );
      }),
  };
}

const unused = (): never => {
  throw new Error('not used here');
};
const WITHOUT_ENGINE: Engine = {
  listen: unused,
  connect: unused,
  credentials: unused,
  secureServer: unused,
  secureClient: unused,
  after: unused,
  atEndOfTurn: unused,
  now: unused,
};

function dialTo(engine: NodeEngine, port: number, dials: Rig['dials']): Dial {
  const tls = fixtureTls(engine, 'client');
  return (handler) => {
    dials.count += 1;
    let cancelled = false;
    // Sockets are made by Node here; what connects a descriptor is tested with the engine.
    const viaNode: Engine = {
      ...WITHOUT_ENGINE,
      connect: (_: unknown, connectHandler: Parameters<Engine['connect']>[1]) => {
        const connected = (plain: Plain): void => {
          if (!cancelled) connectHandler.connected(plain);
        };
        dialPlain(engine, port, cleanup).then(connected, () => {});
        return {
          cancel: () => {
            cancelled = true;
          },
        };
      },
      secureClient: engine.secureClient.bind(engine),
    };
    return connectTunnel(viaNode, { descriptor: -1, to: { ip: '127.0.0.1', port }, timeoutMs: 1000 }, tls, handler);
  };
}

const finish = (streams: ClientStream[]): void => {
  for (const stream of streams) {
    stream.handler = { data: () => {}, ended: () => {}, writable: () => {}, failed: () => {} };
    stream.start();
    stream.end();
  }
};

test('limit 3, 2 at once: one connection', async () => {
  const { pool, dials, open } = await rig({ maxStreamsPerConnection: 3 });
  await Promise.all([open(), open()]);
  expect([dials.count, pool.connectionCount, pool.pooledCount]).toEqual([1, 1, 1]);
});

test('limit 2, 4 at once: two connections, both closed after use; then 5 more: 3 new, one kept', async () => {
  const { pool, dials, open } = await rig({ maxStreamsPerConnection: 2 });
  const four = await Promise.all([open(), open(), open(), open()]);
  expect([dials.count, pool.connectionCount, pool.pooledCount]).toEqual([2, 2, 0]);
  finish(four);
  await soon(() => pool.connectionCount === 0);
  const five = await Promise.all([open(), open(), open(), open(), open()]);
  expect([dials.count, pool.connectionCount, pool.pooledCount]).toEqual([5, 3, 1]);
  finish(five);
  await soon(() => pool.connectionCount === 1);
});

test('limit 1: a connection for each request', async () => {
  const { pool, dials, open } = await rig({ maxStreamsPerConnection: 1 });
  await open();
  await open();
  expect([dials.count, pool.pooledCount]).toEqual([2, 0]);
});

test('the limit of the peer caps ours once it is known', async () => {
  const { dials, open } = await rig({ maxStreamsPerConnection: 1000 });
  const streams = await Promise.all(Array.from({ length: 100 }, async () => open()));
  expect(dials.count).toBe(1);
  finish(streams);
});

test('after a GOAWAY of the server the next request dials', async () => {
  const { accepted, pool, dials, open } = await rig();
  await open();
  accepted[0]!.drain();
  await soon(() => accepted[0]!.streamCount === 1 && pool.pooledCount === 1);
  await soon(async () => {
    await open();
    return dials.count === 2;
  });
  expect(pool.connectionCount).toBe(2);
});

test('100 keys: 100 connections; 300 requests of 3 keys: 3', async () => {
  const { dials, open } = await rig();
  await Promise.all(Array.from({ length: 100 }, async (_, index) => open(`a${index}`)));
  expect(dials.count).toBe(100);
  dials.count = 0;
  for (let round = 0; round < 10; round++) {
    const streams = await Promise.all(Array.from({ length: 30 }, async (_, index) => open(`b${index % 3}`)));
    finish(streams);
    await soon(() => streams.every((stream) => stream.remoteEnded));
  }
  expect(dials.count).toBe(3);
}, 60_000);

test('unused for 5 minutes: forgotten, and closed when its last stream ends', async () => {
  const engine = createFakeClockEngine();
  const { pool, open } = await rig({ tunnel: { liveness: { pingIntervalMs: 1e9, pingTimeoutMs: 1e9 } } }, engine);
  const stream = await open();
  engine.advance(299_999);
  expect(pool.pooledCount).toBe(1);
  engine.advance(1);
  expect([pool.pooledCount, pool.connectionCount]).toEqual([0, 1]);
  finish([stream]);
  await soon(() => pool.connectionCount === 0);
});

test('beyond its capacity the pool forgets the least recently used', async () => {
  const { pool, dials, open } = await rig({ capacity: 2 });
  await open('a');
  await open('b');
  await open('a');
  await open('c');
  expect(pool.pooledCount).toBe(2);
  await open('a');
  expect(dials.count).toBe(3);
  await open('b');
  expect(dials.count).toBe(4);
});

test('a dead pooled connection fails no request', async () => {
  const { accepted, dials, open, pool } = await rig();
  const stream = await open();
  let failed = false;
  stream.handler = {
    data: () => {},
    ended: () => {},
    writable: () => {},
    failed: () => {
      failed = true;
    },
  };
  stream.start();
  accepted[0]!.abort();
  await soon(() => failed && pool.connectionCount === 0);
  await open();
  expect(dials.count).toBe(2);
});

test('close drops everything at once', async () => {
  const { pool, open } = await rig();
  const connections: ClientConnection[] = [];
  const stream = await open();
  const failures: string[] = [];
  stream.handler = {
    data: () => {},
    ended: () => {},
    writable: () => {},
    failed: (failure) => failures.push(failure.kind === 'connection' ? failure.failure.code : failure.kind),
  };
  pool.close();
  expect([pool.connectionCount, failures, connections.length]).toEqual([0, ['ABORTED'], 0]);
  await expect(open()).rejects.toThrow('connection aborted');
});
