/** HPACK of ours against that of nghttp2, as `node:http2` has it, both ways over one connection with changing tables. */
import { once } from 'node:events';
import http2 from 'node:http2';
import { createServer, connect as dialTcp, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { Codec } from '../codec.ts';
import type { Events, Fields } from '../contract.ts';
import { MIN_CONTROL_ROOM_BYTES, type Role } from '../limits.ts';

/** Below 1000, after which nghttp2 takes RST_STREAM for an attack. */
const REQUESTS = 150;
const OK: Fields = [[':status', '200']];

/** Moves the bytes of a codec; only header blocks matter here. */
class Endpoint implements Events {
  readonly codec: Codec;
  readonly #socket: Socket;
  readonly #scratch = new Uint8Array(MIN_CONTROL_ROOM_BYTES);
  readonly received: Fields[] = [];
  failure: string | undefined;
  /** Called for every header block. */
  onHeaders: () => void = () => {};

  constructor(role: Role, socket: Socket, huffman: boolean) {
    this.codec = new Codec(role, this, { huffman });
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      this.codec.push(chunk, 0, chunk.length);
      this.flush();
    });
    this.flush();
  }

  flush(): void {
    for (let bytes = 1; bytes > 0; ) {
      bytes = this.codec.control(this.#scratch, 0, this.#scratch.length);
      if (bytes > 0) this.#socket.write(this.#scratch.slice(0, bytes));
    }
  }

  headers(id: number, fields: Fields): void {
    this.received.push(fields);
    this.onHeaders();
    if (fields[0]?.[0] !== ':status') this.codec.respond(id, [...OK, ...fields.slice(4)], true);
  }

  fatal(code: number, message: string): void {
    this.failure = `${code} ${message}`;
    this.#socket.destroy();
  }

  data(): void {}
  reset(): void {}
  goaway(): void {}
  writable(): void {}
  settings(): void {}
  pong(): void {}
}

// Values of every visible character, few enough to repeat and long enough to evict.
const value = fc.oneof(
  fc.constantFrom('v', 'k8s.cluster.name=K1', '~'.repeat(300), '"\\'.repeat(1000)),
  fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 80 }),
);
const name = fc.oneof(
  fc.constantFrom('baggage', 'forwarded', 'traceparent', 'authorization', 'cache-control'),
  fc.stringMatching(/^x-[a-z0-9_-]{1,40}$/),
);
// One value a name: `node:http2` joins or drops repeated ones.
const extra = fc.uniqueArray(fc.tuple(name, value), { maxLength: 8, selector: ([key]) => key });

/** The same every run, so that a failure can be looked at. */
const samples = fc.sample(extra, { numRuns: REQUESTS, seed: 7541 });
const TABLES = [4096, 0, 100, 65_536, 1000, 4096];

function tableAt(request: number): number | undefined {
  return request % 30 === 0 ? TABLES[(request / 30) % TABLES.length] : undefined;
}

function regular(headers: http2.IncomingHttpHeaders): Fields {
  return Object.entries(headers).flatMap(([key, text]) =>
    key.startsWith(':') || key === 'date' ? [] : [[key, String(text)] as const],
  );
}

test.each([false, true])('nghttp2 as client, ours as server, our Huffman %s', async (huffman) => {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onTestFinished(() => void listener.close());
  const endpoints: Endpoint[] = [];
  listener.on('connection', (socket) => endpoints.push(new Endpoint('server', socket, huffman)));
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const session = http2.connect(`http://127.0.0.1:${address.port}`);
  onTestFinished(() => session.destroy());
  await once(session, 'remoteSettings');

  for (const [index, fields] of samples.entries()) {
    const headerTableSize = tableAt(index);
    if (headerTableSize !== undefined) session.settings({ headerTableSize });
    const request = session.request({
      ...Object.fromEntries(fields),
      [http2.sensitiveHeaders]: fields.filter(([key]) => key.endsWith('a')).map(([key]) => key),
    });
    request.end();
    const [response] = await once(request, 'response');
    expect(regular(response)).toEqual(fields);
    expect(endpoints[0]?.received.at(-1)?.slice(4)).toEqual(fields);
    request.close();
  }
  expect(endpoints[0]?.failure).toBeUndefined();
});

test.each([false, true])('ours as client, nghttp2 as server, our Huffman %s', async (huffman) => {
  const server = http2.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const sessions: http2.ServerHttp2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const socket = dialTcp(address.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  const client = new Endpoint('client', socket, huffman);

  for (const [index, fields] of samples.entries()) {
    const headerTableSize = tableAt(index);
    if (headerTableSize !== undefined) sessions[0]?.settings({ headerTableSize });
    const asked = once(server, 'stream');
    const answered = new Promise<void>((resolve) => {
      client.onHeaders = resolve;
    });
    const id = client.codec.request([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'a.example'],
      [':path', `/${index}`],
      ...fields,
    ]);
    client.flush();
    const [stream, headers] = await asked;
    expect(regular(headers)).toEqual(fields);
    // 6.2.3: an intermediary would know by this what it must not index either.
    expect(headers[http2.sensitiveHeaders]).toEqual(fields.flatMap(([key]) => (key === 'authorization' ? [key] : [])));
    stream.respond({ ':status': 200, ...Object.fromEntries(fields) }, { endStream: true });
    await answered;
    client.codec.resetStream(id, 0);
  }
  expect(client.received.map((fields) => fields.slice(1).filter(([key]) => key !== 'date'))).toEqual(samples);
  expect(client.failure).toBeUndefined();
});
