import {
  type ClientConnection,
  type ClientStream,
  type NodeEngine,
  type ServerConnection,
  type ServerStream,
  type StreamFailure,
  type TunnelOptions,
  type TunnelRequest,
} from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import { createFakeClockEngine } from '../testing/fake-clock.ts';
import { http2Client, http2Server } from '../testing/http2-peer.ts';
import { dialSecure, dialTunnelClient, listenTunnelServer } from '../testing/loopback.ts';
import { soon } from '../testing/soon.ts';
import { createTestEngine } from '../testing/test-engine.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};

afterEach(async () => {
  await new Promise(setImmediate);
  for (const undo of undos.splice(0).toReversed()) undo();
});

const FIELDS = [
  [':method', 'CONNECT'],
  [':authority', '127.0.0.1:80'],
] as const;

/** What a peer has for reading our GOAWAY. */
const DISMISSAL_MS = 2000;

interface Server {
  readonly port: number;
  readonly connections: ServerConnection[];
  readonly streams: ServerStream[];
  readonly requests: TunnelRequest[];
  readonly closed: (string | undefined)[];
}

/** Our server; answers 200 and ends its side when the peer does. */
async function ourServer(engine: NodeEngine, status = 200, options: TunnelOptions = {}): Promise<Server> {
  const server: Omit<Server, 'port'> = { connections: [], streams: [], requests: [], closed: [] };
  const port = await listenTunnelServer(
    engine,
    {
      request: (stream, request) => {
        server.requests.push(request);
        server.streams.push(stream);
        stream.handler = { data: () => {}, ended: () => stream.end(), writable: () => {}, failed: () => {} };
        stream.respond(status, [['baggage', 'k=v']], { last: status !== 200 });
        stream.start();
      },
      closed: (failure) => void server.closed.push(failure?.code),
    },
    cleanup,
    { ...options, accepted: (connection) => server.connections.push(connection) },
  );
  return { port, ...server };
}

type Answer = { readonly status: number; readonly stream: ClientStream } | { readonly failure: StreamFailure };

async function openStream(connection: ClientConnection): Promise<Answer> {
  return new Promise<Answer>((resolve, reject) => {
    const stream = connection.open(FIELDS, {
      response: (answered, status) => resolve({ status, stream: answered }),
      failed: (failure) => resolve({ failure }),
    });
    if (stream === undefined) reject(new Error('no stream'));
  });
}

async function established(connection: ClientConnection): Promise<ClientStream> {
  const answer = await openStream(connection);
  if ('failure' in answer) throw new Error(answer.failure.kind);
  return answer.stream;
}

async function observeEnd(stream: ClientStream): Promise<string> {
  return new Promise((resolve) => {
    stream.handler = {
      data: () => {},
      ended: () => resolve('end'),
      writable: () => {},
      failed: (failure) => resolve(failure.kind === 'reset' ? `reset ${failure.code}` : failure.failure.code),
    };
    stream.start();
  });
}

test('a request arrives with method, authority and fields; the answer with its fields', async () => {
  const engine = createTestEngine();
  const server = await ourServer(engine);
  const connection = await dialTunnelClient(engine, server.port, cleanup);
  expect(await openStream(connection)).toMatchObject({ status: 200 });
  expect(server.requests).toEqual([{ method: 'CONNECT', authority: '127.0.0.1:80', fields: FIELDS }]);
  expect([connection.streamCount, connection.peerMaxStreams]).toEqual([1, 200]);
});

test('an error answer ends the stream with END_STREAM on HEADERS and RST_STREAM(NO_ERROR)', async () => {
  const engine = createTestEngine();
  const server = await ourServer(engine, 503);
  const session = await http2Client(server.port, cleanup);
  const stream = session.request({ ':method': 'CONNECT', ':authority': '127.0.0.1:80' });
  stream.on('error', () => {});
  const status = await new Promise((resolve) => {
    stream.once('response', (headers) => resolve(headers[':status']));
  });
  stream.resume();
  await new Promise((resolve) => {
    stream.once('close', resolve);
  });
  expect([status, stream.rstCode, server.connections[0]!.streamCount]).toEqual([503, 0, 0]);
  const connection = await dialTunnelClient(engine, server.port, cleanup);
  expect(await openStream(connection)).toMatchObject({ status: 503 });
});

test('other methods reach the handler, which answers 400', async () => {
  const engine = createTestEngine();
  const server = await ourServer(engine, 400);
  const session = await http2Client(server.port, cleanup);
  const stream = session.request({ ':method': 'GET', ':path': '/', ':authority': '127.0.0.1:80' });
  stream.on('error', () => {});
  await new Promise((resolve) => {
    stream.once('response', resolve);
  });
  expect(server.requests[0]).toMatchObject({ method: 'GET', authority: '127.0.0.1:80' });
});

test('drain with streams: no new one, running ones go on, then the connection closes on both sides', async () => {
  const engine = createTestEngine();
  const server = await ourServer(engine);
  let closed = false;
  const connection = await dialTunnelClient(engine, server.port, cleanup, {
    closed: () => {
      closed = true;
    },
  });
  const stream = await established(connection);
  server.connections[0]!.drain();
  await soon(() => !connection.usable);
  expect(connection.open(FIELDS, { response: () => {}, failed: () => {} })).toBeUndefined();
  expect(closed).toBe(false);
  const end = observeEnd(stream);
  stream.end();
  expect(await end).toBe('end');
  await soon(() => closed && server.closed.length === 1);
  expect(server.closed).toEqual([undefined]);
});

test('drain of an idle connection closes it', async () => {
  const engine = createTestEngine();
  const server = await ourServer(engine);
  const session = await http2Client(server.port, cleanup);
  const lastIds: number[] = [];
  session.on('goaway', (_code, lastId) => lastIds.push(lastId));
  await soon(() => server.connections.length === 1);
  server.connections[0]!.drain();
  await new Promise((resolve) => {
    session.once('close', resolve);
  });
  expect(lastIds[0]).toBe(2 ** 31 - 1);
  await soon(() => server.closed.length === 1);
});

test('a GOAWAY of node:http2 in use: running streams go on, new ones are refused', async () => {
  const engine = createTestEngine();
  const { port } = await http2Server((stream) => {
    stream.respond({ ':status': 200 });
    stream.session?.close();
    stream.pipe(stream);
  }, cleanup);
  let closed = false;
  const connection = await dialTunnelClient(engine, port, cleanup, {
    closed: () => {
      closed = true;
    },
  });
  const stream = await established(connection);
  await soon(() => !connection.usable);
  const end = observeEnd(stream);
  stream.end();
  expect(await end).toBe('end');
  await soon(() => closed);
});

test('a client that closes says GOAWAY once its last stream has ended', async () => {
  const engine = createTestEngine();
  const goaways: number[] = [];
  const { port, server } = await http2Server((stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  }, cleanup);
  server.on('session', (session) => session.on('goaway', (code) => goaways.push(code)));
  const connection = await dialTunnelClient(engine, port, cleanup);
  const stream = await established(connection);
  connection.close();
  const end = observeEnd(stream);
  stream.end();
  expect(await end).toBe('end');
  await soon(() => goaways.length === 1);
  expect(goaways).toEqual([0]);
});

test('a server that cuts the connection: streams fail and the owner is told', async () => {
  const engine = createTestEngine();
  const server = await ourServer(engine);
  const connection = await dialTunnelClient(engine, server.port, cleanup);
  const end = observeEnd(await established(connection));
  server.connections[0]!.abort();
  expect(['EOF', 'ECONNRESET']).toContain(await end);
  expect(server.closed).toEqual(['ABORTED']);
});

test('a client that asks for answers and reads none is dropped, with little memory', async () => {
  const engine = createFakeClockEngine();
  // Not by the rate of answers, which has its own test: by those that cannot leave.
  const server = await ourServer(engine, 200, { codec: { answers: { burst: 1e9, perSecond: 1e9 } } });
  const secure = await dialSecure(engine, server.port, cleanup);
  cleanup(() => secure.abort());
  secure.pause();
  const greeting = Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    Buffer.from('000000040000000000', 'hex'),
  ]);
  const pings = Buffer.alloc(17 * 4096, Buffer.from('00000806000000000000000000000000ff', 'hex'));
  secure.send(greeting, 0, greeting.length);
  await soon(() => engine.timerCount === 2);
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  // Liveness and SETTINGS no longer matter; the last words have a timer of their own.
  const dismissed = (): boolean => engine.timerCount === 1;
  const flood = (): void => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    if (dismissed() || secure.room <= 0) return;
    secure.send(pings, 0, pings.length);
    engine.atEndOfTurn(() => setImmediate(flood));
  };
  secure.handler = { ...secure.handler, writable: flood };
  flood();
  await vi.waitUntil(dismissed, { timeout: 5000, interval: 2 });
  engine.advance(DISMISSAL_MS);
  expect([server.closed, engine.timerCount]).toEqual([['HTTP2'], 0]);
  // Both TLS queues of 1 MiB, the answers, and what was not collected yet.
  expect(most).toBeLessThan(32 * 1_048_576);
});

test('what a peer sent before it cut the connection is delivered, also to a stream that starts late', async () => {
  const engine = createTestEngine();
  const { port } = await http2Server((stream) => {
    stream.respond({ ':status': 200 });
    stream.end('all of it', () => stream.session?.destroy());
  }, cleanup);
  const connection = await dialTunnelClient(engine, port, cleanup);
  const stream = await established(connection);
  const events: string[] = [];
  stream.handler = {
    data: (memory, start, end) => void events.push(Buffer.from(memory.subarray(start, end)).toString()),
    ended: () => events.push('ended'),
    writable: () => {},
    failed: (failure) => void events.push(failure.kind),
  };
  await soon(() => events.length > 0);
  expect(events).toEqual(['all of it', 'ended', 'connection']);
});
