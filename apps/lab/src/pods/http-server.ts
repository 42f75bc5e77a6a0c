/**
 * The server in the lab's pods: `node http-server.ts NAME PORT`. HTTP like httpbin on PORT; raw TCP for tests beside it:
 *
 * | port | |
 * |---|---|
 * | 9000 | echo: sends back what it gets, closes when the client has |
 * | 9001 | digest: reads until the client's FIN, then answers `BYTES SHA256\n` and closes (client half-closes first) |
 * | 9002 | early end: sends `bye\n` and FIN at once, goes on reading, logs bytes and SHA-256 (server half-closes first) |
 * | 9003 | reset: RST as soon as the first byte has come |
 * | 9004 | source: reads a line `BYTES\n`, sends that many bytes, closes |
 * | 9005 | banner: speaks first, `hello from NAME to ADDRESS:PORT\n`, then echoes |
 * | 9006 | sink: reads and forgets |
 *
 * One line of JSON on stdout for every connection that has ended: `{"port","peer","end","bytes","sha256"}`, where `end` is
 * `fin`, `reset` or the error's code; `sha256` is of what came in (ports 9001 and 9002 only: it would slow the others down).
 */
import { createHash } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { argv, stdout } from 'node:process';
import { pipeline } from 'node:stream';

const [, , podName = 'pod', httpPort = '8080'] = argv;
const MAX_BODY_BYTES = 1_024 * 1_024 * 1_024;
const HASHED_PORTS: readonly number[] = [9001, 9002];
const CHUNK = Buffer.alloc(64 * 1_024, 'ambientmesh ');

type Route = (request: IncomingMessage, response: ServerResponse, argument: string) => void;

const routes: Readonly<Record<string, Route>> = {
  '': describe,
  get: describe,
  anything: describe,
  ip: (request, response) => sendJson(response, { origin: peerOf(request.socket), pod: podName }),
  headers: (request, response) => sendJson(response, { headers: request.headers, pod: podName }),
  hostname: (_request, response) => sendText(response, 200, `${podName}\n`),
  bytes: (_request, response, argument) => sendBytes(response, Number(argument)),
  status: (_request, response, argument) => sendText(response, Number(argument) || 400, `${argument}\n`),
  delay: (request, response, argument) => {
    setTimeout(() => describe(request, response), Number(argument) * 1_000);
  },
  echo: (request, response) => {
    response.writeHead(200, { 'content-type': request.headers['content-type'] ?? 'application/octet-stream' });
    pipeline(request, response, () => undefined);
  },
  digest: (request, response) => {
    const hash = createHash('sha256');
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      bytes += chunk.length;
    });
    request.on('end', () => sendJson(response, { bytes, sha256: hash.digest('hex'), pod: podName }));
  },
};

const http = createHttpServer((request, response) => {
  response.setHeader('x-pod', podName);
  const [name = '', argument = ''] = (request.url ?? '/').split('?')[0]?.slice(1).split('/') ?? [];
  const route = routes[name];
  if (route === undefined) sendText(response, 404, 'not found\n');
  else route(request, response, argument);
});
// A client that keeps a connection for the length of a benchmark is welcome.
http.keepAliveTimeout = 600_000;
http.requestTimeout = 0;

const servers: readonly (readonly [number, Server])[] = [
  [Number(httpPort), http],
  [9000, listener(9000, (socket) => socket.pipe(socket))],
  [9001, listener(9001, answerDigest)],
  [9002, listener(9002, (socket) => socket.end('bye\n').resume())],
  [9003, listener(9003, (socket) => socket.once('data', () => socket.resetAndDestroy()))],
  [9004, listener(9004, sendOnRequest)],
  [9005, listener(9005, greet)],
  [9006, listener(9006, (socket) => socket.on('end', () => socket.end()).resume())],
];
for (const [port, server] of servers) listen(server, port, '::');

function listen(server: Server, port: number, host: string): void {
  server.once('error', (error) => {
    // A kernel without IPv6 has no dual-stack wildcard.
    if (host === '::' && 'code' in error && error.code === 'EAFNOSUPPORT') listen(server, port, '0.0.0.0');
    else throw error;
  });
  server.listen({ port, host, backlog: 4_096 });
}

function listener(port: number, serve: (socket: Socket, hash: { digest(): string }) => void): Server {
  return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const hashed = HASHED_PORTS.includes(port);
    const hash = createHash('sha256');
    const peer = peerOf(socket);
    let bytes = 0;
    let end = 'fin';
    let digest: string | undefined;
    const finalDigest = (): string => (digest ??= hash.digest('hex'));
    socket.on('data', (chunk: Buffer) => {
      if (hashed) hash.update(chunk);
      bytes += chunk.length;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      end = error.code === 'ECONNRESET' ? 'reset' : (error.code ?? error.message);
    });
    socket.on('close', () => {
      stdout.write(`${JSON.stringify({ port, peer, end, bytes, ...(hashed ? { sha256: finalDigest() } : {}) })}\n`);
    });
    serve(socket, { digest: () => `${bytes} ${finalDigest()}\n` });
  });
}

function answerDigest(socket: Socket, hash: { digest(): string }): void {
  socket.on('end', () => socket.end(hash.digest()));
}

function sendOnRequest(socket: Socket): void {
  let line = '';
  const read = (chunk: Buffer): void => {
    line += chunk.toString('latin1');
    if (!line.includes('\n')) return;
    socket.off('data', read);
    sendChunks(socket, Number.parseInt(line, 10));
  };
  socket.on('data', read);
}

function greet(socket: Socket): void {
  socket.write(`hello from ${podName} to ${peerOf(socket)}\n`);
  socket.pipe(socket);
}

function describe(request: IncomingMessage, response: ServerResponse): void {
  const { method, url, headers } = request;
  sendJson(response, { pod: podName, origin: peerOf(request.socket), method, url, headers });
}

function sendJson(response: ServerResponse, value: object): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(value, null, 2)}\n`);
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status >= 200 && status <= 599 ? status : 400, { 'content-type': 'text/plain' });
  response.end(text);
}

function sendBytes(response: ServerResponse, bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > MAX_BODY_BYTES) {
    sendText(response, 400, `want 0 to ${MAX_BODY_BYTES} bytes\n`);
    return;
  }
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes });
  sendChunks(response, bytes);
}

/** Writes `bytes` bytes as fast as the other side takes them, then ends. */
function sendChunks(target: Socket | ServerResponse, bytes: number): void {
  let left = Number.isSafeInteger(bytes) ? bytes : 0;
  const send = (): void => {
    while (left > 0) {
      const size = Math.min(left, CHUNK.length);
      left -= size;
      if (!target.write(CHUNK.subarray(0, size))) {
        target.once('drain', send);
        return;
      }
    }
    target.end();
  };
  send();
}

/** `ADDRESS:PORT` of the other side, IPv4 without the mapped prefix. */
function peerOf(socket: Socket): string {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  return `${address.includes(':') ? `[${address}]` : address}:${socket.remotePort ?? 0}`;
}
