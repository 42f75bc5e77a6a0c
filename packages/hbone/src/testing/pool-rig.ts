import type { CodecOptions } from '../core/limits.ts';
import type { ConnectionFailure } from '../engine.ts';
import type { HandshakeHandler } from '../tunnel/accept-tunnel.ts';
import type { ClientConnection } from '../tunnel/client-connection.ts';
import type { ServerConnection } from '../tunnel/server-connection.ts';
import type { StreamFailure } from '../tunnel/stream-failure.ts';
import { type Dial, TunnelPool, type TunnelPoolOptions } from '../tunnel/tunnel-pool.ts';
import type { ClientStream, ServerStream } from '../tunnel/tunnel-stream.ts';
import { createFakeClockEngine, type FakeClockEngine } from './fake-clock.ts';
import { type Cleanup, dialSecure, listenTunnelServer } from './loopback.ts';

/** What a test lends: where to undo, and how to wait. */
export interface Bench {
  readonly cleanup: Cleanup;
  readonly until: (condition: () => boolean) => Promise<void>;
}

/** A request as the tests send it. */
export const FIELDS = [
  [':method', 'CONNECT'],
  [':authority', '127.0.0.1:80'],
] as const;
/** Of a dial that `refuse` fails. */
export const REFUSED: ConnectionFailure = { code: 'ECONNREFUSED', message: 'Connection refused (os error 111)' };
/** A stream's handler that does nothing. */
export const QUIET = { data: () => {}, ended: () => {}, writable: () => {}, failed: () => {} };

/** A dial that waits for the test. */
export interface HeldDial {
  readonly handler: HandshakeHandler;
  cancelled: boolean;
  settled: boolean;
}

/** What became of a request. */
export interface Told {
  stream?: ClientStream;
  connection?: ClientConnection;
  status?: number;
  failed?: StreamFailure;
  dialFailed?: ConnectionFailure;
  cancel(): void;
}

/** What a request may have besides its key, and what happens when it is told. */
interface RequestMore {
  readonly timeoutMs?: number;
  readonly onDialFailed?: () => void;
  readonly onFailed?: () => void;
  readonly connectionLost?: (failure: ConnectionFailure) => void;
}

/** A pool that dials when the test says so, over real TLS, and a server of ours. */
export class PoolRig {
  readonly engine: FakeClockEngine;
  readonly pool: TunnelPool;
  readonly dials: HeldDial[] = [];
  readonly accepted: ServerConnection[] = [];
  readonly asked: ServerStream[] = [];
  /** The server's answer; 0: none. */
  status = 200;
  readonly #bench: Bench;
  #port = 0;

  constructor(bench: Bench, options: TunnelPoolOptions) {
    this.#bench = bench;
    this.engine = createFakeClockEngine();
    this.pool = new TunnelPool(this.engine, options);
    bench.cleanup(() => this.pool.close());
  }

  async listen(codec: Partial<CodecOptions>): Promise<void> {
    this.#port = await listenTunnelServer(
      this.engine,
      {
        request: (stream) => {
          this.asked.push(stream);
          stream.handler = { ...QUIET, ended: () => stream.end() };
          if (this.status > 0) stream.respond(this.status, [], { last: this.status !== 200 });
          stream.start();
        },
        closed: () => {},
      },
      this.#bench.cleanup,
      { codec, accepted: (connection) => void this.accepted.push(connection) },
    );
  }

  readonly dial: Dial = (handler) => {
    const dial: HeldDial = { handler, cancelled: false, settled: false };
    this.dials.push(dial);
    return {
      cancel: () => {
        dial.cancelled = true;
      },
    };
  };

  open(key = 'k', more: RequestMore = {}): Told {
    const told: Told = { cancel: () => {} };
    const { onDialFailed, onFailed, ...rest } = more;
    const handle = this.pool.open(
      { key, dial: this.dial, fields: FIELDS, ...rest },
      {
        opened: (stream, connection) => Object.assign(told, { stream, connection }),
        response: (_stream, status) => void (told.status = status),
        failed: (failure) => {
          if (told.failed !== undefined) throw new Error('told twice');
          told.failed = failure;
          onFailed?.();
        },
        dialFailed: (failure) => {
          if (told.dialFailed !== undefined) throw new Error('told twice');
          told.dialFailed = failure;
          onDialFailed?.();
        },
      },
    );
    told.cancel = () => handle.cancel();
    return told;
  }

  async turn(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.engine.atEndOfTurn(resolve);
    });
  }

  /** The dial under way succeeds. */
  async connect(index = this.dials.length - 1, port = this.#port): Promise<void> {
    const dial = this.dials[index]!;
    const secure = await dialSecure(this.engine, port, this.#bench.cleanup);
    dial.settled = true;
    dial.handler.established(secure);
  }

  refuse(index = this.dials.length - 1): void {
    const dial = this.dials[index]!;
    dial.settled = true;
    dial.handler.failed(REFUSED);
  }

  get dialsUnderWay(): number {
    return this.dials.filter((dial) => !dial.settled && !dial.cancelled).length;
  }

  /** The peer's SETTINGS and ours are read: a round trip on a stream of its own has passed. */
  async warm(key = 'k'): Promise<void> {
    const told = this.open(key);
    await this.turn();
    if (told.stream === undefined) await this.connect();
    await this.#bench.until(() => told.status !== undefined);
    await finish(told);
  }
}

/** A pool of the given options and a server of the given codec. */
export async function poolRig(
  bench: Bench,
  options: TunnelPoolOptions = {},
  codec: Partial<CodecOptions> = {},
): Promise<PoolRig> {
  const made = new PoolRig(bench, options);
  await made.listen(codec);
  return made;
}

/** Ends a stream on both sides. */
export async function finish(told: Told): Promise<void> {
  const stream = told.stream!;
  const ended = new Promise<void>((resolve) => {
    stream.handler = { ...QUIET, ended: resolve };
  });
  stream.start();
  stream.end();
  await ended;
}
