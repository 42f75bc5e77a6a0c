import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { bare } from '../../log/line.ts';
import type { Logger } from '../../log/logger.ts';
import { ZtunnelError } from '../errors.ts';

/** Limits of all servers of the process (spec ztunnel.md §13). */
const headersTimeoutMs = 2000;
const maxHeaderBytes = 8192;
const checkIntervalMs = 500;
const backlog = 128;
/** Connections of one server; scrapers and probes need a handful. */
const maxConnections = 256;
/** An answer that its client does not take is given up. */
const answerTimeoutMs = 30_000;
/** Bytes of a request's body that are read to be dropped before the connection is. */
const maxBodyBytes = 65_536;

/** What a server answers. */
export interface Answer {
  readonly status: number;
  readonly contentType?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** None: no body, no content type. */
  readonly body?: string | Uint8Array;
}

/** Answers one request; a rejection becomes a 500. */
export type Answerer = (request: IncomingMessage, url: URL) => Answer | Promise<Answer>;

export interface HttpListenerOptions {
  /** Name in logs: `admin`, `stats`, `readiness`. */
  readonly component: string;
  /** The addresses are listened on together; the first one is shown in logs. */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly answer: Answerer;
  /** Of the module `hyper_util`. */
  readonly logger: Logger;
}

/** A small HTTP/1.1 server of the process, with limits. Made by {@link listenHttp}. */
export class HttpListener implements AsyncDisposable {
  readonly #servers: readonly Server[];
  readonly #options: HttpListenerOptions;
  /** The port: the one asked for, or the kernel's choice if that was 0. */
  readonly port: number;
  #closing: Promise<void> | undefined;

  constructor(servers: readonly Server[], port: number, options: HttpListenerOptions) {
    this.#servers = servers;
    this.port = port;
    this.#options = options;
  }

  /** Accepts no more and resolves when open requests have been answered. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #drain(): Promise<void> {
    const { hosts, component, logger } = this.#options;
    await Promise.all(
      this.#servers.map(async (server) => {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        server.closeIdleConnections();
        await closed;
        logger.info(listenerFields(hosts[0] ?? '', this.port, component), 'listener drained');
      }),
    );
  }
}

/** Listens on all hosts or on none. Throws ZtunnelError (ZTUNNEL_LISTEN). An address family that the kernel lacks is left out if another host remains. */
export async function listenHttp(options: HttpListenerOptions): Promise<HttpListener> {
  const servers: Server[] = [];
  let port = options.port;
  try {
    for (const host of options.hosts) {
      const server = createLimitedServer(options);
      const outcome = await listen(server, host, port);
      if (outcome === undefined) {
        servers.push(server);
        const address = server.address();
        if (typeof address === 'object' && address !== null) port = address.port;
      } else if (servers.length === 0 || !isFamilyMissing(outcome)) throw listenError(options, host, outcome);
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  options.logger.info(listenerFields(options.hosts[0] ?? '', port, options.component), 'listener established');
  return new HttpListener(servers, port, options);
}

function listenerFields(host: string, port: number, component: string) {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return [
    ['address', bare(address)],
    ['component', component],
  ] as const;
}

function createLimitedServer(options: HttpListenerOptions): Server {
  const server = createServer(
    { headersTimeout: headersTimeoutMs, connectionsCheckingInterval: checkIntervalMs, maxHeaderSize: maxHeaderBytes },
    (request, response) => {
      answerRequest(options, request, response).catch((error: unknown) => {
        options.logger.warn([['error', String(error)]], 'answering failed');
        response.destroy();
      });
    },
  );
  server.maxConnections = maxConnections;
  // A client may end its side after the request (`nc -N`) and still be answered; Node documents no option for it.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.on('clientError', (error: Error & { code?: string }, socket) => refuse(error, socket));
  return server;
}

/** A request that is no HTTP gets one short answer; one that does not come to its end gets none. */
function refuse(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET' || error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

async function answerRequest(
  options: HttpListenerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.on('error', () => response.destroy());
  response.setTimeout(answerTimeoutMs, () => response.destroy());
  let received = 0;
  request.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received > maxBodyBytes) request.destroy();
  });
  const url = URL.parse(request.url ?? '/', 'http://localhost');
  const answer = url === null ? { status: 400 } : await options.answer(request, url);
  send(request, response, answer);
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  if (response.destroyed) return;
  const { status, contentType, body } = answer;
  const headers: string[] = [];
  if (contentType !== undefined) headers.push('content-type', contentType);
  for (const [name, value] of answer.headers ?? []) headers.push(name, value);
  if (request.headers.connection?.toLowerCase() === 'close') headers.push('connection', 'close');
  if (body !== undefined || request.method !== 'HEAD')
    headers.push('content-length', String(body === undefined ? 0 : Buffer.byteLength(body)));
  response.writeHead(status, headers);
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Resolves with the error, if any. */
function listen(server: Server, host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen({ host, port, backlog }, () => {
      server.off('error', resolve);
      server.on('error', () => undefined);
      resolve(undefined);
    });
  });
}

function isFamilyMissing(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL';
}

const remedies: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', ' (is another ztunnel running on this node?)'],
  ['EAFNOSUPPORT', ' (does the kernel lack IPv6? set IPV6_ENABLED=false)'],
  ['EACCES', ' (ports below 1024 need CAP_NET_BIND_SERVICE)'],
]);

function listenError(options: HttpListenerOptions, host: string, cause: NodeJS.ErrnoException): ZtunnelError {
  const remedy = remedies.get(cause.code ?? '') ?? '';
  return new ZtunnelError(
    'ZTUNNEL_LISTEN',
    `${options.component} server: bind ${host} port ${options.port}: ${cause.code ?? cause.message}${remedy}`,
    { cause },
  );
}
