import { RoleProcess } from './role-process.ts';

/** Bytes through a tunnel in one sample. */
const BYTES = 500_000_000;
const WARM_UP_BYTES = 250_000_000;
const BITS = 8;
const GIGA = 1e9;
const ROUND_TRIPS = 3000;
/** Of the measurement beside that of one stream. */
export const MANY_STREAMS = 16;

/** The two ends of a tunnel and what they lead to, each a process. */
export interface TunnelPair {
  readonly server: RoleProcess;
  readonly client: RoleProcess;
}

/** What carries a tunnel: this package, or `node:http2`. */
export type Kind = 'ours' | 'http2';

/** Starts both ends; the server joins every CONNECT to `sink`, or with 0 ends it when its client does. */
export async function startPair(kind: Kind, sink: number): Promise<TunnelPair> {
  const server = await RoleProcess.start(`${kind}-role.ts`, 'server', sink);
  return { server, client: await RoleProcess.start(`${kind}-role.ts`, 'client', server.port) };
}

/** Stops both. */
export function stopPair({ server, client }: TunnelPair): void {
  client.stop();
  server.stop();
}

/** One sample of a tunnel under load. */
export interface Throughput {
  readonly gigabits: number;
  /** CPU seconds of both ends a gigabyte: little disturbed by whoever else uses the machine. */
  readonly cpu: number;
}

/** Applications at both ends of tunnels, in processes of their own. */
export class Load {
  readonly sink: number;
  readonly #sink: RoleProcess;
  readonly #source: RoleProcess;

  private constructor(sink: RoleProcess, source: RoleProcess) {
    this.#sink = sink;
    this.#source = source;
    this.sink = sink.port;
  }

  static async start(): Promise<Load> {
    return new Load(await RoleProcess.start('load-role.ts', 'sink'), await RoleProcess.start('load-role.ts', 'source'));
  }

  async warmUp({ client }: TunnelPair): Promise<void> {
    for (const streams of [1, MANY_STREAMS]) await this.#source.ask('pour', client.port, streams, WARM_UP_BYTES);
  }

  async measure(pair: TunnelPair, streams: number): Promise<Throughput> {
    const before = await cpuOf(pair);
    const [seconds = Number.NaN] = await this.#source.ask('pour', pair.client.port, streams, BYTES);
    return {
      gigabits: (BYTES * BITS) / seconds / GIGA,
      cpu: ((await cpuOf(pair)) - before) / (BYTES / GIGA),
    };
  }

  stop(): void {
    this.#source.stop();
    this.#sink.stop();
  }
}

/** Starts both ends in one process, for `measureRoundTrips`. */
export async function startBoth(kind: Kind): Promise<RoleProcess> {
  return RoleProcess.start(`${kind}-role.ts`, 'both');
}

/** CONNECTs a second, each opened, answered and ended by both sides before the next: on a connection that is up. */
export async function measureRoundTrips(both: RoleProcess): Promise<number> {
  const [ns = Number.NaN] = await both.ask('roundTrips', ROUND_TRIPS);
  return GIGA / ns;
}

async function cpuOf({ server, client }: TunnelPair): Promise<number> {
  const seconds = await Promise.all([server.ask('cpu'), client.ask('cpu')]);
  return seconds.flat().reduce((sum, value) => sum + value, 0);
}
