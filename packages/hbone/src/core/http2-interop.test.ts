import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { createServer, connect as dialTcp, type Server, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Random } from '../fuzz/random.ts';
import { Codec } from './codec.ts';
import type { Events, Fields } from './contract.ts';
import { ErrorCode } from './error-code.ts';
import { type CodecOptions, MIN_CONTROL_ROOM_BYTES, type Role } from './limits.ts';

const OK: Fields = [[':status', '200']];
const CONNECT: Fields = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.1:80'],
  ['baggage', 'k8s.cluster.name=K1,service.name=N2'],
];

/** The least shell around a codec that moves bytes: what waits for a window, waits in an array. */
class Endpoint implements Events {
  readonly codec: Codec;
  readonly socket: Socket;
  readonly log: string[] = [];
  /** Called for what came; the default of the server side is an echo. */
  onHeaders: (id: number, fields: Fields, last: boolean) => void = () => {};
  onData: (id: number, bytes: Buffer, last: boolean) => void = () => {};
  credit = true;
  readonly #waiting = new Map<number, Buffer[]>();
  readonly #ended = new Set<number>();
  readonly #scratch = new Uint8Array(4 * MIN_CONTROL_ROOM_BYTES);
  #watchers: (() => void)[] = [];

  constructor(role: Role, socket: Socket, options: Partial<CodecOptions> = {}) {
    this.codec = new Codec(role, this, options);
    this.socket = socket;
    socket.setNoDelay();
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      this.codec.push(chunk, 0, chunk.length);
      this.codec.wake();
      this.flush();
    });
    this.flush();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#watchers.push(resolve);
      await promise;
    }
  }

  send(id: number, bytes: Buffer, last: boolean): void {
    const queue = this.#waiting.get(id) ?? [];
    if (bytes.length > 0) queue.push(bytes);
    this.#waiting.set(id, queue);
    if (last) this.#ended.add(id);
    this.#sendWaiting(id);
  }

  flush(): void {
    for (;;) {
      const bytes = this.codec.control(this.#scratch, 0, this.#scratch.length);
      if (bytes === 0) break;
      this.socket.write(Buffer.from(this.#scratch.subarray(0, bytes)));
    }
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const wake of watchers) wake();
  }

  #sendWaiting(id: number): void {
    this.flush();
    const queue = this.#waiting.get(id) ?? [];
    for (let first = queue.shift(); first !== undefined; first = queue.shift()) {
      const bytes = Math.min(this.codec.budget(id), this.codec.maxFrame, first.length);
      if (bytes < first.length) queue.unshift(first.subarray(bytes));
      if (bytes === 0) return;
      this.#frame(id, first.subarray(0, bytes), queue.length === 0 && this.#ended.delete(id));
    }
    if (this.#ended.delete(id)) this.#frame(id, Buffer.alloc(0), true);
  }

  #frame(id: number, payload: Buffer, last: boolean): void {
    const header = Buffer.alloc(9);
    this.codec.data(header, 0, id, payload.length, last);
    this.socket.write(header);
    this.socket.write(payload);
  }

  data(...[id, memory, start, end, last]: Parameters<Events['data']>): void {
    this.onData(id, Buffer.from(memory.subarray(start, end)), last);
    if (this.credit) this.codec.credit(id, end - start);
  }

  headers(id: number, fields: Fields, last: boolean): void {
    this.log.push(`headers ${fields[0]?.[1]} ${last}`);
    this.onHeaders(id, fields, last);
  }

  reset(_id: number, code: number, local: boolean): void {
    this.log.push(`reset ${code} ${local}`);
  }

  goaway(last: number, code: number): void {
    this.log.push(`goaway ${last} ${code}`);
  }

  writable(id: number): void {
    this.#sendWaiting(id);
  }

  settings(): void {
    this.log.push('settings');
  }

  pong(): void {
    this.log.push('pong');
  }

  fatal(code: number, message: string): void {
    this.log.push(`fatal ${code} ${message}`);
  }
}

/** The first argument of the next event, whose type the caller knows. */
async function next<Value>(emitter: NodeJS.EventEmitter, event: string): Promise<Value> {
  const { promise, resolve } = Promise.withResolvers<Value>();
  emitter.once(event, resolve);
  return promise;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return address.port;
}

interface Pair extends AsyncDisposable {
  readonly ours: Endpoint;
}

/** Our codec as server, `node:http2` as client. */
async function serveNode(
  options: { codec?: Partial<CodecOptions>; session?: http2.ClientSessionOptions } = {},
): Promise<Pair & { session: http2.ClientHttp2Session }> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = next<Socket>(listener, 'connection');
  const session = http2.connect(`http://127.0.0.1:${portOf(listener)}`, options.session);
  session.on('error', () => {});
  const socket = await accepted;
  const ours = new Endpoint('server', socket, options.codec);
  ours.onHeaders = (id, _fields, last) => {
    ours.codec.respond(id, OK, false);
    if (last) ours.send(id, Buffer.alloc(0), true);
  };
  ours.onData = (id, bytes, last) => ours.send(id, bytes, last);
  return {
    ours,
    session,
    async [Symbol.asyncDispose]() {
      session.destroy();
      socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** Our codec as client, `node:http2` as server. */
async function dialNode(
  options: { codec?: Partial<CodecOptions>; server?: http2.ServerOptions } = {},
): Promise<Pair & { server: http2.Http2Server; session: http2.ServerHttp2Session }> {
  const server = http2.createServer({ ...options.server });
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sessions = next<http2.ServerHttp2Session>(server, 'session');
  const socket = dialTcp(portOf(server), '127.0.0.1');
  const ours = new Endpoint('client', socket, options.codec);
  const session = await sessions;
  return {
    ours,
    server,
    session,
    async [Symbol.asyncDispose]() {
      session.destroy();
      socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function connectStream(session: http2.ClientHttp2Session): http2.ClientHttp2Stream {
  const stream = session.request(
    { ':method': 'CONNECT', ':authority': '10.0.0.1:80', baggage: 'k8s.cluster.name=K1' },
    { endStream: false },
  );
  stream.on('error', () => {});
  return stream;
}

function digest(chunks: Buffer | Buffer[]): string {
  return createHash('sha256')
    .update(Buffer.concat([chunks].flat()))
    .digest('hex');
}

async function readAll(stream: http2.Http2Stream): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return chunks;
}

/** Every shape of window, frame, padding and table that may matter; small ones run dry thousands of times. */
const SHAPES = [
  { name: 'defaults', codec: {}, settings: {}, padding: http2.constants.PADDING_STRATEGY_NONE },
  {
    name: 'small windows of ours, padded',
    codec: { streamWindowBytes: 5000, connectionWindowBytes: 65_535, maxFrameBytes: 16_384 },
    settings: {},
    padding: http2.constants.PADDING_STRATEGY_MAX,
  },
  {
    name: 'small windows of the peer, no table',
    codec: { huffman: true },
    settings: { initialWindowSize: 3000, headerTableSize: 0 },
    padding: http2.constants.PADDING_STRATEGY_MAX,
  },
  {
    name: 'large frames of the peer',
    codec: {},
    settings: { initialWindowSize: 10_000_000, maxFrameSize: 1_000_000 },
    padding: http2.constants.PADDING_STRATEGY_NONE,
  },
] as const;
const BODY_BYTES = 1_500_000;

test.each(SHAPES)('server: echoes to a node client: $name', async ({ codec, settings, padding }) => {
  await using pair = await serveNode({ codec, session: { settings, paddingStrategy: padding } });
  const bodies = Array.from({ length: 3 }, () => randomBytes(BODY_BYTES));
  const echoed = await Promise.all(
    bodies.map(async (body) => {
      const stream = connectStream(pair.session);
      stream.end(body);
      return digest(await readAll(stream));
    }),
  );
  expect(echoed).toEqual(bodies.map(digest));
  await pair.ours.until(() => pair.ours.codec.openStreams === 0);
  expect(pair.ours.log.filter((line) => line.startsWith('reset') || line.startsWith('fatal'))).toEqual([]);
});

test.each(SHAPES)('client: a node server echoes: $name', async ({ codec, settings, padding }) => {
  await using pair = await dialNode({ codec, server: { settings, paddingStrategy: padding } });
  pair.server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  const bodies = Array.from({ length: 3 }, () => randomBytes(BODY_BYTES));
  const chunks = new Map<number, Buffer[]>();
  let ended = 0;
  pair.ours.onData = (id, bytes, last) => {
    chunks.get(id)?.push(bytes);
    if (last) ended += 1;
  };
  const ids = bodies.map(() => pair.ours.codec.request(CONNECT));
  for (const id of ids) chunks.set(id, []);
  expect(ids).toEqual([1, 3, 5]);
  pair.ours.onHeaders = (id) => pair.ours.send(id, bodies[(id - 1) / 2]!, true);
  pair.ours.flush();
  await pair.ours.until(() => ended === bodies.length);
  expect([...chunks.values()].map(digest)).toEqual(bodies.map(digest));
  expect(pair.ours.codec.openStreams).toBe(0);
});

/** How a stream of a random session goes; both ends know it by the stream's number. */
interface Course {
  readonly sizes: readonly number[];
  readonly ending: 'ends' | 'ends early' | 'client resets' | 'server resets' | 'refused';
}

function randomCourses(random: Random): Course[] {
  return Array.from({ length: 2 + random.below(5) }, () => ({
    sizes: Array.from({ length: random.below(6) }, () => random.pick([0, 1, 9, 100, 5000, 16_384, 40_000])),
    ending: random.pick(['ends', 'ends', 'ends early', 'client resets', 'server resets', 'refused'] as const),
  }));
}

/** Octets that say where they belong. */
function bodyOf(index: number, { sizes }: Course): Buffer {
  const body = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
  for (let at = 0; at < body.length; at++) body[at] = (at * 7 + index * 31) & 0xff;
  return body;
}

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const randomShape = (random: Random) => ({
  codec: { streamWindowBytes: random.pick([2000, 70_000, 4_194_304]), huffman: random.below(2) === 1 },
  settings: { initialWindowSize: random.pick([1000, 65_535]), headerTableSize: random.pick([0, 100, 4096]) },
  paddingStrategy: random.pick([http2.constants.PADDING_STRATEGY_NONE, http2.constants.PADDING_STRATEGY_MAX]),
});

test.each(SEEDS)('server: a random session of a node client (seed %i)', async (seed) => {
  const random = new Random(seed);
  const { codec, settings, paddingStrategy } = randomShape(random);
  await using pair = await serveNode({ codec, session: { settings, paddingStrategy } });
  const courses = randomCourses(random);
  const received = new Map<number, Buffer[]>();
  pair.ours.onHeaders = (id) => {
    const { ending } = courses[(id - 1) / 2]!;
    received.set(id, []);
    pair.ours.codec.respond(id, ending === 'refused' ? [[':status', '401']] : OK, ending === 'refused');
    if (ending === 'ends early') pair.ours.send(id, Buffer.from('bye'), true);
  };
  pair.ours.onData = (id, bytes, last) => {
    const { ending } = courses[(id - 1) / 2]!;
    received.get(id)!.push(Buffer.from(bytes));
    if (ending === 'server resets') pair.ours.codec.resetStream(id, ErrorCode.CONNECT_ERROR);
    if (ending === 'ends') pair.ours.send(id, bytes, last);
  };
  await Promise.all(
    courses.map(async (course, index) => {
      const stream = connectStream(pair.session);
      const closed = next(stream, 'close');
      const response = await next<http2.IncomingHttpHeaders>(stream, 'response');
      expect(response[':status']).toBe(course.ending === 'refused' ? 401 : 200);
      const body = bodyOf(index, course);
      const answer = readAll(stream).catch(() => []);
      if (course.ending === 'client resets') stream.close(ErrorCode.CANCEL);
      else {
        for (let at = 0, part = 0; part < course.sizes.length; at += course.sizes[part++]!)
          stream.write(body.subarray(at, at + course.sizes[part]!));
        stream.end();
      }
      await closed;
      if (course.ending === 'server resets') expect(stream.rstCode).toBe(ErrorCode.CONNECT_ERROR);
      if (course.ending === 'ends') expect(digest(await answer)).toBe(digest(body));
      if (course.ending === 'ends early') expect(Buffer.concat(await answer).toString()).toBe('bye');
    }),
  );
  await pair.ours.until(() => pair.ours.codec.openStreams === 0);
  for (const [index, course] of courses.entries()) {
    const body = Buffer.concat(received.get(2 * index + 1)!);
    if (course.ending.startsWith('ends')) expect(digest(body)).toBe(digest(bodyOf(index, course)));
  }
  expect(pair.ours.log.filter((line) => line.startsWith('fatal'))).toEqual([]);
});

test.each(SEEDS)('client: a random session with a node server (seed %i)', async (seed) => {
  const random = new Random(seed);
  const { codec, settings, paddingStrategy } = randomShape(random);
  await using pair = await dialNode({ codec, server: { settings, paddingStrategy } });
  const courses = randomCourses(random);
  pair.server.on('stream', (stream) => {
    const { ending } = courses[((stream.id ?? 1) - 1) / 2]!;
    stream.on('error', () => {});
    if (ending === 'server resets') return stream.close(ErrorCode.CONNECT_ERROR);
    stream.respond({ ':status': ending === 'refused' ? 401 : 200 }, { endStream: ending === 'refused' });
    if (ending === 'ends early') stream.end('bye');
    if (ending === 'ends') stream.pipe(stream);
    else stream.resume();
    return undefined;
  });
  const received = new Map<number, Buffer[]>();
  pair.ours.onHeaders = (id, fields, last) => {
    const course = courses[(id - 1) / 2]!;
    expect(fields[0]?.[1]).toBe(course.ending === 'refused' ? '401' : '200');
    expect(last).toBe(course.ending === 'refused');
    if (course.ending === 'client resets') pair.ours.codec.resetStream(id, ErrorCode.CANCEL);
    else pair.ours.send(id, bodyOf((id - 1) / 2, course), true);
  };
  pair.ours.onData = (id, bytes) => received.get(id)!.push(Buffer.from(bytes));
  for (const [index] of courses.entries()) {
    const id = pair.ours.codec.request(CONNECT);
    expect(id).toBe(2 * index + 1);
    received.set(id, []);
  }
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.codec.openStreams === 0);
  for (const [index, course] of courses.entries()) {
    const answer = Buffer.concat(received.get(2 * index + 1)!);
    if (course.ending === 'ends') expect(digest(answer)).toBe(digest(bodyOf(index, course)));
    if (course.ending === 'ends early') expect(answer.toString()).toBe('bye');
  }
  const resets = pair.ours.log.filter((line) => line === `reset ${ErrorCode.CONNECT_ERROR} false`);
  expect(resets.length).toBe(courses.filter(({ ending }) => ending === 'server resets').length);
  expect(pair.ours.log.filter((line) => line.startsWith('fatal'))).toEqual([]);
});

test('server: half-close both ways', async () => {
  await using pair = await serveNode();
  pair.ours.onData = () => {};
  const stream = connectStream(pair.session);
  await once(stream, 'response');
  // The server ends first; the client's direction goes on.
  pair.ours.send(1, Buffer.from('bye'), true);
  expect(digest(await readAll(stream))).toBe(digest(Buffer.from('bye')));
  let received = '';
  let ended = false;
  pair.ours.onData = (_id, bytes, last) => {
    received += bytes.toString();
    ended ||= last;
  };
  stream.write('still ');
  stream.end('here');
  await pair.ours.until(() => ended);
  expect(received).toBe('still here');
});

test('server: a GET is well formed, gets its 400 and the connection goes on', async () => {
  await using pair = await serveNode();
  pair.ours.onHeaders = (id, fields, last) => {
    const connect = fields.some(([name, value]) => name === ':method' && value === 'CONNECT');
    pair.ours.codec.respond(id, connect ? OK : [[':status', '400']], !connect);
    if (!connect && !last) pair.ours.codec.resetStream(id, ErrorCode.NO_ERROR);
  };
  const get = pair.session.request({ ':method': 'POST', ':path': '/' }, { endStream: false });
  const headers = await next<http2.IncomingHttpHeaders>(get, 'response');
  expect(headers[':status']).toBe(400);
  get.resume();
  await next(get, 'close');
  expect(get.rstCode).toBe(ErrorCode.NO_ERROR);
  const response = await next<http2.IncomingHttpHeaders>(connectStream(pair.session), 'response');
  expect(response[':status']).toBe(200);
});

test('server: resets in both directions keep their codes', async () => {
  await using pair = await serveNode();
  // Node ends the stream before it resets it: not answered, or it would be closed by then.
  pair.ours.onData = () => {};
  const first = connectStream(pair.session);
  await once(first, 'response');
  first.close(ErrorCode.CANCEL);
  await pair.ours.until(() => pair.ours.log.includes(`reset ${ErrorCode.CANCEL} false`));
  const second = connectStream(pair.session);
  await once(second, 'response');
  pair.ours.codec.resetStream(3, ErrorCode.CONNECT_ERROR);
  pair.ours.flush();
  await next(second, 'close');
  expect(second.rstCode).toBe(ErrorCode.CONNECT_ERROR);
  expect(pair.ours.codec.openStreams).toBe(0);
});

test('server: graceful GOAWAY lets streams finish and takes no new ones', async () => {
  await using pair = await serveNode();
  const stream = connectStream(pair.session);
  await once(stream, 'response');
  const goaways: number[][] = [];
  pair.session.on('goaway', (code, last) => goaways.push([code, last]));
  pair.ours.codec.goaway(ErrorCode.NO_ERROR, true);
  pair.ours.codec.ping();
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.log.includes('pong'));
  pair.ours.codec.goaway(ErrorCode.NO_ERROR, false);
  pair.ours.flush();
  stream.end('last words');
  expect(digest(await readAll(stream))).toBe(digest(Buffer.from('last words')));
  await once(pair.session, 'close');
  expect(goaways).toEqual([
    [0, 0x7fff_ffff],
    [0, 1],
  ]);
});

test('server: streams over the limit are refused, the others live', async () => {
  await using pair = await serveNode({
    codec: { maxConcurrentStreams: 2 },
    // Node keeps to the limit once it knows it: these three leave before our SETTINGS are there.
    session: { peerMaxConcurrentStreams: 100 },
  });
  const streams = [1, 2, 3].map(() => connectStream(pair.session));
  await once(streams[0]!, 'response');
  streams[0]!.end();
  streams[1]!.end();
  await Promise.all(streams.slice(0, 2).map((stream) => readAll(stream)));
  expect(pair.ours.log).not.toContainEqual(expect.stringContaining('fatal'));
});

test('server: header blocks in CONTINUATION frames, and a list over the limit gets 431', async () => {
  await using pair = await serveNode({ session: { maxSendHeaderBlockLength: 200_000 } });
  const fits = pair.session.request(
    { ':method': 'CONNECT', ':authority': 'a:1', 'x-long': 'X'.repeat(60_000) },
    { endStream: false },
  );
  fits.on('error', () => {});
  const ok = await next<http2.IncomingHttpHeaders>(fits, 'response');
  expect(ok[':status']).toBe(200);
  const tooLong = pair.session.request(
    { ':method': 'CONNECT', ':authority': 'a:1', 'x-long': 'X'.repeat(80_000) },
    { endStream: false },
  );
  tooLong.on('error', () => {});
  const refused = await next<http2.IncomingHttpHeaders>(tooLong, 'response');
  expect(refused[':status']).toBe(431);
  const after = connectStream(pair.session);
  const again = await next<http2.IncomingHttpHeaders>(after, 'response');
  expect(again[':status']).toBe(200);
});

test('server: a reader that credits nothing stops the sender at the window', async () => {
  await using pair = await serveNode({ codec: { streamWindowBytes: 100_000 } });
  pair.ours.credit = false;
  let received = 0;
  let ended = false;
  pair.ours.onData = (_id, bytes, last) => {
    received += bytes.length;
    ended ||= last;
  };
  const stream = connectStream(pair.session);
  stream.end(randomBytes(250_000));
  await pair.ours.until(() => received === 100_000);
  // An answer to a PING that was sent after the window ran out: nothing more was on the way.
  pair.ours.codec.ping();
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.log.includes('pong'));
  expect(received).toBe(100_000);
  pair.ours.credit = true;
  pair.ours.codec.credit(1, received);
  pair.ours.flush();
  await pair.ours.until(() => ended);
  expect(received).toBe(250_000);
});

test('client: half-close both ways', async () => {
  await using pair = await dialNode();
  const streams = next<http2.ServerHttp2Stream>(pair.server, 'stream');
  const id = pair.ours.codec.request(CONNECT);
  pair.ours.flush();
  const stream = await streams;
  stream.respond({ ':status': 200 });
  pair.ours.send(id, Buffer.from('request'), true);
  expect(digest(await readAll(stream))).toBe(digest(Buffer.from('request')));
  let received = '';
  let ended = false;
  pair.ours.onData = (_id, bytes, last) => {
    received += bytes.toString();
    ended ||= last;
  };
  stream.end('answer');
  await pair.ours.until(() => ended);
  expect(received).toBe('answer');
  expect(pair.ours.codec.openStreams).toBe(0);
});

test('client: GOAWAY refuses what was not processed and lets the rest finish', async () => {
  await using pair = await dialNode();
  const streams = next<http2.ServerHttp2Stream>(pair.server, 'stream');
  const id = pair.ours.codec.request(CONNECT);
  pair.ours.flush();
  const stream = await streams;
  stream.respond({ ':status': 200 });
  let ended = false;
  pair.ours.onData = (_id, _bytes, last) => {
    ended ||= last;
  };
  pair.session.goaway(ErrorCode.NO_ERROR, 1);
  const late = pair.ours.codec.request(CONNECT);
  expect(late).toBe(3);
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.log.includes(`reset ${ErrorCode.REFUSED_STREAM} false`));
  expect(pair.ours.log).toContain('goaway 1 0');
  expect(pair.ours.codec.request(CONNECT)).toBe(0);
  stream.end();
  await pair.ours.until(() => ended);
  pair.ours.send(id, Buffer.alloc(0), true);
  expect(pair.ours.codec.openStreams).toBe(0);
});

test('client: resets in both directions keep their codes', async () => {
  await using pair = await dialNode();
  const streams: http2.ServerHttp2Stream[] = [];
  pair.server.on('stream', (stream) => {
    stream.on('error', () => {});
    streams.push(stream);
    if (streams.length === 2) stream.close(ErrorCode.CONNECT_ERROR);
    else stream.respond({ ':status': 200 });
  });
  const id = pair.ours.codec.request(CONNECT);
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.log.includes('headers 200 false'));
  const closed = next(streams[0]!, 'close');
  pair.ours.codec.resetStream(id, ErrorCode.CANCEL);
  pair.ours.codec.request(CONNECT);
  pair.ours.flush();
  await closed;
  expect(streams[0]!.rstCode).toBe(ErrorCode.CANCEL);
  await pair.ours.until(() => pair.ours.log.includes(`reset ${ErrorCode.CONNECT_ERROR} false`));
});

test("client: keeps to the server's limit of streams and goes on when one ends", async () => {
  await using pair = await dialNode({ server: { settings: { maxConcurrentStreams: 2 } } });
  pair.server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 401 }, { endStream: true });
  });
  await pair.ours.until(() => pair.ours.log.includes('settings'));
  expect([CONNECT, CONNECT, CONNECT].map((fields) => pair.ours.codec.request(fields))).toEqual([1, 3, 0]);
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.log.filter((line) => line === 'headers 401 true').length === 2);
  pair.ours.codec.resetStream(1, ErrorCode.CANCEL);
  expect(pair.ours.codec.request(CONNECT)).toBe(5);
});

test('both ends answer PING', async () => {
  await using served = await serveNode();
  await using dialled = await dialNode();
  for (const session of [served.session, dialled.session]) {
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    session.ping(Buffer.from('12345678'), (_error, _duration, payload) => resolve(payload));
    expect((await promise).toString()).toBe('12345678');
  }
  for (const { ours } of [served, dialled]) {
    ours.codec.ping();
    ours.flush();
    await ours.until(() => ours.log.includes('pong'));
  }
});
