/** Runs inside a pod and does with sockets what a test says, line by line on stdin; see `driver-protocol.ts`. */
import { createHash } from 'node:crypto';
import { connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type {
  Answered,
  Connected,
  DriverAnswer,
  DriverOperation,
  DriverRequest,
  Received,
  Sent,
  TlsChoice,
} from './driver-protocol.ts';

const TEXT_BYTES = 4_096;
const PATTERN = Buffer.from(Array.from({ length: 65_521 }, (_, index) => (index * 31 + (index >> 8)) & 0xff));

/** A socket with everything that can be waited for behind one promise. */
class Link {
  readonly socket: Socket;
  /** How it ended: `fin` when that was read, or the code of an error. */
  ended: string | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('end', () => this.#end('fin'));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#end(error.code ?? error.message));
    socket.on('close', () => this.#end('closed'));
    socket.on('readable', () => this.#wake());
    socket.on('drain', () => this.#wake());
  }

  changed(): Promise<void> {
    return this.#changed.promise;
  }

  #end(how: string): void {
    this.ended ??= how;
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}

const links = new Map<number, Link>();
const servers = new Map<number, Server>();

createInterface({ input: stdin }).on('line', (line) => {
  const request: DriverRequest = JSON.parse(line);
  perform(request).then(
    (result) => answer({ id: request.id, result: result ?? null }),
    (error: NodeJS.ErrnoException) =>
      answer({ id: request.id, error: { code: error.code ?? error.name, message: error.message } }),
  );
});
stdin.on('close', () => process.exit());

function answer(message: DriverAnswer<unknown>): void {
  stdout.write(`${JSON.stringify(message)}\n`);
}

async function perform(request: DriverOperation): Promise<unknown> {
  switch (request.operation) {
    case 'connect':
      return open(request);
    case 'listen':
      return listen(request.port, request.tls);
    case 'unlisten':
      servers.get(request.port)?.close();
      servers.delete(request.port);
      return undefined;
    case 'write':
      linkOf(request.socket).socket.write(request.text, 'latin1');
      return undefined;
    case 'send':
      return send(linkOf(request.socket), request.bytes);
    case 'read':
      return read(linkOf(request.socket), request.bytes ?? Number.POSITIVE_INFINITY);
    case 'end':
      linkOf(request.socket).socket.end();
      return undefined;
    case 'reset':
      linkOf(request.socket).socket.resetAndDestroy();
      return undefined;
    case 'request':
      return askHttp2(request);
  }
}

function linkOf(socket: number): Link {
  const link = links.get(socket);
  if (link === undefined) throw new Error(`no socket ${socket}`);
  return link;
}

function open(request: Extract<DriverOperation, { operation: 'connect' }>): Promise<Connected> {
  const { socket: id, host, port, say } = request;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    if (say !== '') socket.write(say, 'latin1');
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      links.set(id, new Link(socket));
      const address = socket.localAddress ?? '';
      resolve({ local: `${address.includes(':') ? `[${address}]` : address}:${socket.localPort}` });
    });
  });
}

function listen(port: number, tls: TlsChoice | undefined): Promise<void> {
  const server = tls === undefined ? createServer((socket) => socket.destroy()) : createTlsServer(tlsOf(tls));
  server.on('tlsClientError', () => undefined);
  server.on('secureConnection', (socket: Socket) => {
    socket.on('error', () => undefined);
    socket.resume();
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '::' }, () => {
      servers.set(port, server);
      resolve();
    });
  });
}

function tlsOf(tls: TlsChoice): TlsOptions {
  return { ...tls, ALPNProtocols: ['h2'], requestCert: true, rejectUnauthorized: false };
}

async function send(link: Link, bytes: number): Promise<Sent> {
  const hash = createHash('sha256');
  let left = bytes;
  while (left > 0) {
    if (link.ended !== undefined && link.ended !== 'fin') throw Object.assign(new Error('ended'), { code: link.ended });
    const chunk = PATTERN.subarray(0, Math.min(left, PATTERN.length));
    hash.update(chunk);
    left -= chunk.length;
    const changed = link.changed();
    if (!link.socket.write(chunk)) await untilDrained(link, changed);
  }
  return { sha256: hash.digest('hex') };
}

async function untilDrained(link: Link, changed: Promise<void>): Promise<void> {
  let next = changed;
  while (link.socket.writableNeedDrain && !link.socket.destroyed) {
    await next;
    next = link.changed();
  }
}

async function read(link: Link, want: number): Promise<Received> {
  const { socket } = link;
  const hash = createHash('sha256');
  let text = '';
  let bytes = 0;
  while (bytes < want) {
    const changed = link.changed();
    const chunk: Buffer | null = socket.read();
    if (chunk === null) {
      if (link.ended !== undefined) break;
      await changed;
      continue;
    }
    const taken = chunk.subarray(0, Math.min(chunk.length, want - bytes));
    if (taken.length < chunk.length) socket.unshift(chunk.subarray(taken.length));
    hash.update(taken);
    bytes += taken.length;
    if (text.length < TEXT_BYTES) text += taken.toString('latin1', 0, TEXT_BYTES - text.length);
  }
  const end = bytes < want ? link.ended : undefined;
  return { bytes, sha256: hash.digest('hex'), text, ...(end === undefined ? {} : { end }) };
}

function askHttp2(request: Extract<DriverOperation, { operation: 'request' }>): Promise<Answered> {
  const { host, port, tls, headers } = request;
  return new Promise((resolve) => {
    const authority = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
    const session = connectHttp2(authority, { ...tls, ALPNProtocols: ['h2'], rejectUnauthorized: false });
    const finish = (answered: Answered): void => {
      resolve(answered);
      session.destroy();
    };
    const fail = (error: NodeJS.ErrnoException): void => finish({ error: error.code ?? error.message });
    session.on('error', fail);
    session.on('close', () => finish({ error: 'closed' }));
    const stream = session.request(headers, { endStream: false });
    stream.on('error', fail);
    stream.on('response', (answered) => finish({ status: Number(answered[':status']) }));
  });
}
