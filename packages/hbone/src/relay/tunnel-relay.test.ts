import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { ErrorCode, PlainRelay } from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import { http2Client } from '../testing/http2-peer.ts';
import { dialSocket, listenPlain, listenSockets } from '../testing/loopback.ts';
import { forwardTo, type Outcome, observe, serveTo } from '../testing/relayed.ts';
import { soon } from '../testing/soon.ts';
import { createTestEngine } from '../testing/test-engine.ts';

const MEBIBYTE = 1_048_576;
const engine = createTestEngine();
const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};

const scope = { engine, cleanup };

afterEach(async () => {
  // Not from inside a handshake's callback: Node frees what OpenSSL is still using when both sockets go there.
  await new Promise(setImmediate);
  for (const undo of undos.splice(0).toReversed()) undo();
});

/** How the application's end came, as a client sees it. */
interface Seen {
  readonly text: string;
  readonly end: 'fin' | 'rst';
}

async function watch(socket: Socket, progress?: Progress): Promise<Seen> {
  const chunks: Buffer[] = [];
  if (progress !== undefined)
    socket.on('data', (chunk: Buffer) => {
      if (progress.clientSaw.length < 10) progress.clientSaw += chunk.toString('latin1');
    });
  return new Promise<Seen>((resolve) => {
    const seen = (end: Seen['end']): void => resolve({ text: Buffer.concat(chunks).toString('latin1'), end });
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('end', () => seen('fin'));
    socket.once('error', () => seen('rst'));
    socket.resume();
  });
}

async function until(condition: () => boolean): Promise<void> {
  await vi.waitUntil(condition, { interval: 2, timeout: 20_000 });
}

/** What has come about so far. */
interface Progress {
  clientSaw: string;
  /** The relays are there. */
  relayed: () => boolean;
}

/** The applications of the recorded scenarios (vectors/ztunnel/README.md), with what they saw. */
const applications: Record<string, (socket: Socket, progress: Progress) => void> = {
  echo: (socket) => void socket.pipe(socket),
  'partial, then RST': (socket, progress) => {
    socket.once('data', () => socket.write('partial'));
    const reset = (): unknown => socket.resetAndDestroy();
    until(() => progress.clientSaw === 'partial').then(reset, () => {});
  },
  'RST at once': (socket, progress) => {
    until(() => progress.relayed()).then(
      () => socket.resetAndDestroy(),
      () => {},
    );
  },
  'answers after the end': (socket) => {
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    socket.on('end', () => socket.end(`got ${bytes} bytes`));
  },
  'ends first': (socket) => {
    socket.end('banner');
    socket.resume();
  },
  silent: (socket) => {
    socket.on('end', () => socket.end());
    socket.resume();
  },
  'ticks until the end': (socket) => {
    // As rarely as in the recording: a tick that meets the client's reset before this end is read makes it a failure.
    const timer = setInterval(() => socket.write('tick'), 250);
    socket.on('end', () => {
      clearInterval(timer);
      socket.end();
    });
    socket.on('close', () => clearInterval(timer));
    socket.write('tick');
    socket.resume();
  },
  '8 MiB down': (socket) => {
    socket.once('data', () => socket.end(Buffer.alloc(8 * MEBIBYTE)));
    socket.resume();
  },
};

function serve(application: string, socket: Socket, progress: Progress): void {
  applications[application]?.(socket, progress);
  socket.resume();
}

interface Row {
  readonly application: string;
  readonly client: (socket: Socket, seen: Promise<Seen>) => Promise<void>;
  readonly seen?: Seen;
  /** bytes_sent and bytes_recv of the outbound line; undefined: not fixed. */
  readonly bytes?: [number, number];
  readonly inboundError?: string;
}

const received = async (socket: Socket, text: string): Promise<void> => {
  let all = '';
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      all += chunk.toString('latin1');
      if (all.length >= text.length) resolve();
    });
  });
};

const rows: Row[] = [
  {
    application: 'echo',
    client: async (socket) => void socket.end('hello'),
    seen: { text: 'hello', end: 'fin' },
    bytes: [5, 5],
  },
  {
    application: 'partial, then RST',
    client: async (socket, seen) => {
      socket.write('hello');
      await seen;
      socket.end();
    },
    seen: { text: 'partial', end: 'fin' },
    bytes: [5, 7],
  },
  {
    application: 'RST at once',
    client: async (socket, seen) => {
      await seen;
      socket.end();
    },
    seen: { text: '', end: 'fin' },
    bytes: [0, 0],
  },
  {
    application: 'answers after the end',
    client: async (socket) => void socket.end('some data'),
    seen: { text: 'got 9 bytes', end: 'fin' },
    bytes: [9, 11],
  },
  {
    application: 'ends first',
    client: async (socket, seen) => {
      await seen;
      socket.end('late');
    },
    seen: { text: 'banner', end: 'fin' },
    bytes: [4, 6],
  },
  {
    application: 'echo',
    client: async (socket) => {
      socket.write('abc');
      await received(socket, 'abc');
      socket.resetAndDestroy();
    },
    bytes: [3, 3],
  },
  {
    application: 'silent',
    client: async (socket) => {
      await new Promise((resolve) => {
        socket.write('abc', resolve);
      });
      socket.resetAndDestroy();
    },
  },
  { application: 'silent', client: async (socket) => void socket.destroy(), bytes: [0, 0] },
  {
    application: 'ticks until the end',
    client: async (socket) => {
      await received(socket, 'tick');
      socket.resetAndDestroy();
    },
  },
  {
    application: '8 MiB down',
    client: async (socket) => void socket.write('go', () => socket.end()),
    seen: { text: '\0'.repeat(8 * MEBIBYTE), end: 'fin' },
    bytes: [2, 8 * MEBIBYTE],
  },
  {
    application: '8 MiB down',
    client: async (socket) => {
      socket.write('go');
      await received(socket, '0123456789');
      socket.resetAndDestroy();
    },
    inboundError: 'while closing connection: receive: io error: broken pipe',
  },
];

test.each(rows.map((row, index) => ({ ...row, index })))('stream-ends $index: $application', async (row) => {
  const outbound: Outcome[] = [];
  const inbound: Outcome[] = [];
  const progress: Progress = { clientSaw: '', relayed: () => outbound.length > 0 && inbound.length > 0 };
  const app = await listenSockets((socket) => serve(row.application, socket, progress), cleanup);
  const port = await forwardTo(scope, await serveTo(scope, app, { outcomes: inbound }), { outcomes: outbound });
  const socket = await dialSocket(port, cleanup);
  const seen = watch(socket, progress);
  await row.client(socket, seen);
  if (row.seen !== undefined) expect(await seen).toEqual(row.seen);
  await until(() => outbound[0]?.ended === true && inbound[0]?.ended === true);
  expect(outbound[0]?.failure).toBeUndefined();
  expect(inbound[0]?.failure?.text).toBe(row.inboundError);
  if (row.bytes !== undefined) expect([outbound[0]?.sent, outbound[0]?.received]).toEqual(row.bytes);
});

test.each(rows.map((row, index) => ({ ...row, index })))(
  'plain relay, stream-ends $index: $application',
  async (row) => {
    const outcomes: Outcome[] = [];
    const progress: Progress = { clientSaw: '', relayed: () => outcomes.length > 0 };
    const app = await listenSockets((socket) => serve(row.application, socket, progress), cleanup);
    const port = await listenPlain(
      engine,
      (first) => {
        const join = (socket: Socket): PlainRelay => {
          const { outcome, observer } = observe();
          outcomes.push(outcome);
          return new PlainRelay(first, engine.adopt(socket), observer);
        };
        dialSocket(app, cleanup).then(join, () => first.reset());
      },
      cleanup,
    );
    const socket = await dialSocket(port, cleanup);
    const seen = watch(socket, progress);
    await row.client(socket, seen);
    if (row.seen !== undefined) expect(await seen).toEqual(row.seen);
    await until(() => outcomes[0]?.ended === true);
    expect(outcomes[0]?.failure).toBeUndefined();
    if (row.bytes !== undefined) expect([outcomes[0]?.sent, outcomes[0]?.received]).toEqual(row.bytes);
  },
);

async function connectStream(session: ClientHttp2Session): Promise<ClientHttp2Stream> {
  const stream = session.request({ ':method': 'CONNECT', ':authority': '127.0.0.1:80' });
  stream.on('error', () => {});
  await new Promise((resolve) => {
    stream.once('response', resolve);
  });
  return stream;
}

test.each([
  { code: ErrorCode.CANCEL, text: 'while closing connection: receive: io error: broken pipe' },
  { code: ErrorCode.NO_ERROR, text: undefined },
  { code: ErrorCode.STREAM_CLOSED, text: 'while closing connection: receive: io error: broken pipe' },
  {
    code: ErrorCode.INTERNAL_ERROR,
    text: 'send: io error: stream error received: unexpected internal error encountered',
  },
])('wire-streams: RST_STREAM($code) is FIN for the application and logs $text', async ({ code, text }) => {
  const outcomes: Outcome[] = [];
  const ends: Promise<Seen>[] = [];
  const app = await listenSockets((socket) => {
    ends.push(watch(socket));
    socket.pipe(socket);
  }, cleanup);
  const session = await http2Client(await serveTo(scope, app, { outcomes }), cleanup);
  const stream = await connectStream(session);
  stream.write('a');
  await new Promise((resolve) => {
    stream.once('data', resolve);
  });
  stream.close(code);
  await until(() => outcomes[0]?.ended === true);
  expect(await ends[0]).toEqual({ text: 'a', end: 'fin' });
  expect(outcomes[0]).toMatchObject({ sent: 1, received: 1 });
  expect(outcomes[0]?.failure?.text).toBe(text);
});

test('wire-streams: END_STREAM on the HEADERS is the end of the application', async () => {
  const outcomes: Outcome[] = [];
  const progress: Progress = { clientSaw: '', relayed: () => true };
  const app = await listenSockets((socket) => serve('answers after the end', socket, progress), cleanup);
  const session = await http2Client(await serveTo(scope, app, { outcomes }), cleanup);
  const stream = session.request({ ':method': 'CONNECT', ':authority': '127.0.0.1:80' }, { endStream: true });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString()).toBe('got 0 bytes');
  await until(() => outcomes[0]?.ended === true);
  expect(outcomes[0]?.failure).toBeUndefined();
});

test('wire-streams: the connection closed under a stream is FIN for the application and no error', async () => {
  const outcomes: Outcome[] = [];
  const ends: Promise<Seen>[] = [];
  const app = await listenSockets((socket) => {
    ends.push(watch(socket));
    socket.pipe(socket);
  }, cleanup);
  const session = await http2Client(await serveTo(scope, app, { outcomes }), cleanup);
  const stream = await connectStream(session);
  stream.write('one');
  await new Promise((resolve) => {
    stream.once('data', resolve);
  });
  session.socket.destroy();
  await until(() => outcomes[0]?.ended === true);
  expect(await ends[0]).toEqual({ text: 'one', end: 'fin' });
  expect(outcomes[0]?.failure).toBeUndefined();
});

test('a local abort resets the stream with CANCEL and closes the application', async () => {
  const relays: { abort(): void }[] = [];
  const ends: Promise<Seen>[] = [];
  const app = await listenSockets((socket) => {
    ends.push(watch(socket));
    socket.pipe(socket);
  }, cleanup);
  const session = await http2Client(await serveTo(scope, app, { started: (relay) => relays.push(relay) }), cleanup);
  const stream = await connectStream(session);
  stream.write('one');
  await new Promise((resolve) => {
    stream.once('data', resolve);
  });
  relays[0]!.abort();
  await new Promise((resolve) => {
    stream.once('close', resolve);
  });
  expect(stream.rstCode).toBe(ErrorCode.CANCEL);
  expect(await ends[0]).toEqual({ text: 'one', end: 'fin' });
});

test('a local abort does not wait for a reader that does not read', async () => {
  const readers: Socket[] = [];
  const app = await listenSockets((socket) => void readers.push(socket), cleanup);
  const second = engine.adopt(await dialSocket(app, cleanup));
  const relays: PlainRelay[] = [];
  const port = await listenPlain(
    engine,
    (first) => void relays.push(new PlainRelay(first, second, observe().observer)),
    cleanup,
  );
  const writer = await dialSocket(port, cleanup);
  // More than the kernels on the way take.
  writer.write(Buffer.alloc(64 * MEBIBYTE));
  await soon(() => relays.length > 0 && second.queued >= MEBIBYTE / 2);
  relays[0]!.abort();
  expect(second.descriptor).toBe(-1);
  expect((await watch(readers[0]!)).end).toBe('rst');
});
