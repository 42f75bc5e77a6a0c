/** Our codec on a socket with `node:http2` at the other end, in either role. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { createServer, connect as dialTcp, type Server, type Socket } from 'node:net';
import { Codec } from '../core/codec.ts';
import type { Events, Fields } from '../core/contract.ts';
import { type CodecOptions, MIN_CONTROL_ROOM_BYTES, type Role } from '../core/limits.ts';

/** The response to a tunnel. */
export const OK: Fields = [[':status', '200']];
/** A request as the mesh sends it. */
export const CONNECT: Fields = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.1:80'],
  ['baggage', 'k8s.cluster.name=K1,service.name=N2'],
];

/** The least shell around a codec that moves bytes: what waits for a window, waits in an array. */
export class Endpoint implements Events {
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
export async function next<Value>(emitter: NodeJS.EventEmitter, event: string): Promise<Value> {
  const { promise, resolve } = Promise.withResolvers<Value>();
  emitter.once(event, resolve);
  return promise;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return address.port;
}

/** Both ends, and their end. */
export interface Pair extends AsyncDisposable {
  readonly ours: Endpoint;
}

/** Our codec as server, `node:http2` as client. */
export async function serveNode(
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
export async function dialNode(
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

/** A CONNECT of Node's client. */
export function connectStream(session: http2.ClientHttp2Session): http2.ClientHttp2Stream {
  const stream = session.request(
    { ':method': 'CONNECT', ':authority': '10.0.0.1:80', baggage: 'k8s.cluster.name=K1' },
    { endStream: false },
  );
  stream.on('error', () => {});
  return stream;
}

/** What bytes are compared by. */
export function digest(chunks: Buffer | Buffer[]): string {
  return createHash('sha256')
    .update(Buffer.concat([chunks].flat()))
    .digest('hex');
}

/** Everything up to the end. */
export async function readAll(stream: http2.Http2Stream): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return chunks;
}
