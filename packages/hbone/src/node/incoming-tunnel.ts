import type { Socket } from 'node:net';
import type { Fields } from '../core/contract.ts';
import { ErrorCode } from '../core/error-code.ts';
import type { Cancellable, Secure, SocketAddress } from '../engine.ts';
import { HboneError } from '../errors.ts';
import type { NodeEngine } from '../node-engine/engine.ts';
import { TunnelRelay } from '../relay/tunnel-relay.ts';
import type { TunnelRequest } from '../tunnel/server-connection.ts';
import type { ServerStream, StreamHandler } from '../tunnel/tunnel-stream.ts';
import { dialDestination } from './dial-destination.ts';
import { TunnelDuplex } from './tunnel-duplex.ts';
import { headerMap, malformedField, renderHeaders, type TunnelHeaders } from './tunnel-headers.ts';

const OK = 200;
const METHOD_NOT_ALLOWED = 405;
const INTERNAL_SERVER_ERROR = 500;
const SERVICE_UNAVAILABLE = 503;
const LEAST_REFUSAL = 300;
const LAST_STATUS = 599;
const UNOBSERVED = { fromFirst: () => {}, fromSecond: () => {}, finished: () => {} };

/** A request for a tunnel, and who makes it. */
export interface IncomingTunnel extends TunnelRequest {
  /** Regular fields: lower-case names, several of a name joined by commas. */
  readonly headers: ReadonlyMap<string, string>;
  /** The client's certificates as DER, leaf first. */
  readonly peerChain: readonly Uint8Array[];
  /** The client's address. */
  readonly remote: SocketAddress;
  /** Aborts when the client gives up before it is answered. */
  readonly signal: AbortSignal;
}

/** What becomes of a request: relayed to a TCP address, refused, or handed over as a stream. `headers` go into the answer. */
export type Route =
  | { readonly host: string; readonly port: number; readonly headers?: TunnelHeaders | undefined }
  /** 300 to 599. */
  | { readonly status: number; readonly headers?: TunnelHeaders | undefined }
  /** Called after the 200 was sent. A promise that rejects resets the stream, as a throw does. */
  | { readonly accept: (stream: TunnelDuplex) => unknown; readonly headers?: TunnelHeaders | undefined };

/** What the requests of a listener have in common. */
export interface Routing {
  readonly engine: NodeEngine;
  readonly connectTimeoutMs: number;
  readonly route: (request: IncomingTunnel) => Route | Promise<Route>;
  readonly failed: (error: HboneError, remote: SocketAddress) => void;
}

/** A request from its arrival to its answer. `over` is called once when nothing of it is in flight any more. */
export class Answering implements IncomingTunnel, StreamHandler {
  readonly #stream: ServerStream;
  readonly #request: TunnelRequest;
  readonly #secure: Secure;
  readonly #routing: Routing;
  #over: (() => void) | undefined;
  #controller: AbortController | undefined;
  #headers: ReadonlyMap<string, string> | undefined;
  #dialling: Cancellable | undefined;

  // oxlint-disable-next-line max-params -- one caller, in this folder
  constructor(stream: ServerStream, request: TunnelRequest, secure: Secure, routing: Routing, over: () => void) {
    this.#stream = stream;
    this.#request = request;
    this.#secure = secure;
    this.#routing = routing;
    this.#over = over;
    stream.handler = this;
  }

  get method(): string {
    return this.#request.method;
  }

  get authority(): string {
    return this.#request.authority;
  }

  get fields(): Fields {
    return this.#request.fields;
  }

  get headers(): ReadonlyMap<string, string> {
    return (this.#headers ??= headerMap(this.#request.fields));
  }

  get peerChain(): readonly Uint8Array[] {
    return this.#secure.peerChain;
  }

  get remote(): SocketAddress {
    return this.#secure.remote;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#stream.gone) this.#controller.abort();
    return this.#controller.signal;
  }

  /** Asks where it goes, and answers. */
  start(): void {
    if (this.method !== 'CONNECT') {
      this.#refuse(METHOD_NOT_ALLOWED);
      return;
    }
    try {
      const route = this.#routing.route(this);
      if (route instanceof Promise)
        route.then(
          (settled) => this.#go(settled),
          (error: unknown) => this.#routeFailed(error),
        );
      else this.#go(route);
    } catch (error) {
      this.#routeFailed(error);
    }
  }

  // StreamHandler, until it is answered: nothing but `failed` means anything.

  data(): void {}
  ended(): void {}
  writable(): void {}

  failed(): void {
    this.#controller?.abort();
    this.#dialling?.cancel();
  }

  #go(route: Route): void {
    try {
      // The client may be gone meanwhile; then nobody is to be dialled or told.
      if (this.#stream.gone) this.#settle();
      else if (!isRoute(route))
        throw new TypeError(`it answered ${typeof route}, none of { host, port }, { accept } or { status }`);
      else if ('accept' in route) this.#accept(route.accept, answerFields(route.headers));
      else if ('host' in route) this.#dial(route.host, route.port, answerFields(route.headers));
      else if (route.status >= LEAST_REFUSAL && route.status <= LAST_STATUS)
        this.#refuse(route.status, answerFields(route.headers));
      else throw new RangeError(`status ${route.status} refuses nothing`);
    } catch (error) {
      this.#routeFailed(error);
    }
  }

  #accept(accept: (stream: TunnelDuplex) => unknown, fields: Fields): void {
    const { authority } = this;
    this.#stream.respond(OK, fields, { last: false });
    this.#settle();
    const origin = { engine: this.#routing.engine, secure: this.#secure, authority, fields: this.fields };
    const tunnel = new TunnelDuplex(this.#stream, origin);
    const failed = (error: unknown): void => {
      const { errored } = tunnel;
      tunnel.destroy(error instanceof Error ? error : new Error(String(error)));
      // The client went away, which is no fault of `accept`.
      if (errored instanceof HboneError) this.#routing.failed(errored, this.remote);
      else this.#tell('accept', error);
    };
    try {
      const accepted: unknown = accept(tunnel);
      if (accepted instanceof Promise) accepted.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  #dial(host: string, port: number, fields: Fields): void {
    this.#dialling = dialDestination({ host, port }, this.#routing.connectTimeoutMs, {
      connected: (socket) => this.#relay(socket, fields),
      failed: ({ message }) => {
        const text = `CONNECT ${this.authority}: connect ${host}:${port}: ${message}`;
        this.#refuse(SERVICE_UNAVAILABLE);
        this.#routing.failed(new HboneError('HBONE_DESTINATION_FAILED', text), this.remote);
      },
      over: () => this.#settle(),
    });
  }

  #relay(socket: Socket, fields: Fields): void {
    const plain = this.#routing.engine.adopt(socket);
    try {
      this.#stream.respond(OK, fields, { last: false });
    } catch (error) {
      plain.reset();
      this.#routeFailed(error);
      return;
    }
    const relay = new TunnelRelay({
      stream: this.#stream,
      plain,
      first: 'stream',
      applicationReset: 'reset',
      observer: UNOBSERVED,
    });
    if (this.#stream.gone) relay.abort();
  }

  #refuse(status: number, fields: Fields = []): void {
    this.#stream.respond(status, fields, { last: true });
    this.#settle();
  }

  #routeFailed(error: unknown): void {
    this.#refuse(INTERNAL_SERVER_ERROR);
    this.#tell('route', error);
  }

  #tell(what: 'route' | 'accept', cause: unknown): void {
    const text = `CONNECT ${this.authority}: ${what} failed: ${cause instanceof Error ? cause.message : String(cause)}`;
    this.#routing.failed(new HboneError('HBONE_ROUTE_FAILED', text, { cause }), this.remote);
  }

  #settle(): void {
    const over = this.#over;
    this.#over = undefined;
    over?.();
  }
}

/** Throws RangeError for fields that cannot be sent. */
function answerFields(headers: TunnelHeaders | undefined): Fields {
  const fields = renderHeaders(headers);
  const bad = malformedField(fields);
  if (bad === undefined) return fields;
  throw new RangeError(`header field ${bad} is malformed, or not allowed in HTTP/2`);
}

function isRoute(route: unknown): route is Route {
  return typeof route === 'object' && route !== null && ('accept' in route || 'host' in route || 'status' in route);
}

/** Answers a request beyond the bound of those in flight, of which nothing was done. */
export function refuseStream(stream: ServerStream): void {
  stream.reset(ErrorCode.REFUSED_STREAM);
}
