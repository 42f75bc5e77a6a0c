/** What a client in a pod is to do, against the server at `host` (an address inside the lab). */
export type LoadSpec =
  | {
      readonly kind: 'throughput';
      readonly host: string;
      readonly connections: number;
      /** `up`: from client to server. */
      readonly direction: 'up' | 'down';
    }
  /** Connect, one byte there and back, close; `connections` at a time. */
  | { readonly kind: 'connects'; readonly host: string; readonly connections: number }
  /** Requests of 1 KiB, answered by as much, at a fixed rate however long the answers take. */
  | {
      readonly kind: 'requests';
      readonly host: string;
      readonly connections: number;
      readonly perSecond: number;
    }
  /** Requests of 1 KiB, answered by as much: one after another on each connection, as fast as they are answered. */
  | { readonly kind: 'keep-alive'; readonly host: string; readonly connections: number }
  /** Connections that have carried one byte there and back and then rest. */
  | { readonly kind: 'held'; readonly host: string; readonly connections: number };

/** How long something took, in milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What a client saw between `mark` and `measure`. */
export interface LoadResult {
  readonly seconds: number;
  /** Bytes received (throughput down; up is the server's to count), connections or requests that succeeded. */
  readonly completed: number;
  readonly latencyMs?: Latency;
  /** By how much the client itself was late with its requests: part of their latency. 99th percentile. */
  readonly lateP99Ms?: number;
  /** Failures since `mark`, by reason. */
  readonly failures: Readonly<Record<string, number>>;
}

/** What a server has received so far on its sink. */
export interface ReceivedBytes {
  readonly atMs: number;
  readonly bytes: number;
  /** Open connections that have carried nothing since this was last asked. */
  readonly starved: number;
}

/** What `client.ts` answers. One load at a time. */
export interface ClientCommands {
  /** Resolves when the load is under way. */
  start(spec: LoadSpec): Promise<void>;
  /** Here the measurement begins. */
  mark(): void;
  measure(): Promise<LoadResult>;
  stop(): void;
}

/** What `server.ts` answers. */
export interface ServerCommands {
  /** Resolves when it listens. */
  ready(): Promise<void>;
  received(): ReceivedBytes;
  /** Number of open connections. */
  open(): number;
}

/** Ports of the server in a pod. */
export const SINK_PORT = 7001;
/** Sends as long as the client takes it. */
export const SOURCE_PORT = 7002;
/** Sends back what it gets. */
export const ECHO_PORT = 7003;
/** Echo as well: so many ports that addresses in TIME_WAIT do not run out, see `connects.ts`. */
export const CONNECT_PORTS: readonly number[] = Array.from({ length: 16 }, (_, index) => 7100 + index);
/** All of them, for who forwards. */
export const ALL_PORTS: readonly number[] = [SINK_PORT, SOURCE_PORT, ECHO_PORT, ...CONNECT_PORTS];
/** Name of the failure of a connection that carries nothing while others do. */
export const STARVED = 'starved';
/** Of a request, and of its answer. */
export const REQUEST_BYTES = 1_024;
