import { setTimeout as delay } from 'node:timers/promises';
import { listenSeqpacket, type Namespace, type SeqpacketConnection, type SeqpacketServer } from '@ambientmesh/netns';
import { AgentConnection } from './agent-connection.ts';
import { ZdsError } from './errors.ts';
import { silentLogger, type ZdsLogger } from './logger.ts';

/** What the real agent grants: hello, each send and each answer. */
const DEADLINE_MS = 5_000;
/** Five connections a second, one at a time. */
const ACCEPT_INTERVAL_MS = 200;

/** A pod as the agent announces it. */
export interface AgentWorkload {
  /** Kubernetes pod UID, or anything unique. */
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** A pod of the snapshot; without a namespace ztunnel is only told to keep the proxy it may have. */
export interface SnapshotWorkload extends AgentWorkload {
  readonly netns?: Namespace | undefined;
}

/** How the agent's end listens and whom it tells. */
export interface ZdsServerOptions {
  /** Where to listen; a stale socket file is replaced. */
  readonly path: string;
  /** All pods of the node, asked for at each connection. The namespaces stay the caller's and open for the time of the snapshot. */
  readonly snapshot: () => Iterable<SnapshotWorkload>;
  /** None by default. */
  readonly logger?: ZdsLogger;
  /** Called after a hello; `connected` is how many ztunnels are there now. */
  readonly onConnect?: (connected: number) => void;
  /** Called once a ztunnel has answered the whole snapshot. */
  readonly onSnapshot?: () => void;
  /** Called after a connection has ended. */
  readonly onDisconnect?: (connected: number) => void;
  /** For hello, sending and answer each, 5000 ms by default. */
  readonly deadlineMs?: number;
  /** Least time between two connections accepted, 200 ms by default. */
  readonly acceptIntervalMs?: number;
}

/**
 * Listens for ztunnels as the node agent does.
 * @throws {NetnsError} of `@ambientmesh/netns` if the socket cannot be made (`NETNS_GONE`: no such folder, `NETNS_PERMISSION`, …).
 */
export function listenZds(options: ZdsServerOptions): ZdsServer {
  return new ZdsServer(listenSeqpacket(options.path), options);
}

/** The agent's end of the protocol. Adds go to the newest ztunnel, deletes to all; each new ztunnel gets the snapshot first. */
export class ZdsServer implements AsyncDisposable {
  readonly #server: SeqpacketServer;
  readonly #options: ZdsServerOptions;
  readonly #log: ZdsLogger;
  readonly #deadlineMs: number;
  /** In the order of their hellos. */
  readonly #connections = new Set<AgentConnection>();
  /** All accepted ones, also before their hello. */
  readonly #serving = new Map<AgentConnection, Promise<void>>();
  readonly #closing = new AbortController();
  readonly #accepting: Promise<void>;

  /** Meant for `listenZds`. */
  constructor(server: SeqpacketServer, options: ZdsServerOptions) {
    this.#server = server;
    this.#options = options;
    this.#log = options.logger ?? silentLogger;
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    this.#accepting = this.#acceptAll();
  }

  /** How many ztunnels have said hello and are still there. */
  get connected(): number {
    return this.#connections.size;
  }

  /**
   * Tells the newest ztunnel to take a pod over; resolves once its listeners are bound. `netns` stays the caller's and must stay open until then.
   * @throws {ZdsError} `ZDS_NOT_CONNECTED`, `ZDS_REFUSED` with ztunnel's words (it goes on trying), `ZDS_TIMEOUT`, `ZDS_CONNECTION_LOST`, `ZDS_MALFORMED`.
   */
  async add(workload: AgentWorkload & { readonly netns: Namespace }): Promise<void> {
    const newest = [...this.#connections].at(-1);
    if (newest === undefined)
      throw new ZdsError(
        'ZDS_NOT_CONNECTED',
        `no ztunnel is connected to ${this.#server.path} (is it running on this node?)`,
      );
    const { uid, name, namespace, serviceAccount, netns } = workload;
    const error = await newest.request({ type: 'add', uid, info: { name, namespace, serviceAccount } }, netns);
    if (error !== '') throw new ZdsError('ZDS_REFUSED', `got ack error: ${error}`);
  }

  /**
   * Tells all ztunnels that a pod is gone; resolves once all have answered. One that disconnects meanwhile does not count.
   * @throws {ZdsError} the first of `ZDS_REFUSED`, `ZDS_TIMEOUT`, `ZDS_MALFORMED`.
   */
  async delete(uid: string): Promise<void> {
    const results = await Promise.allSettled(
      [...this.#connections].map((connection) => connection.request({ type: 'delete', uid })),
    );
    for (const result of results) {
      if (result.status === 'fulfilled' && result.value !== '')
        throw new ZdsError('ZDS_REFUSED', `got ack error: ${result.value}`);
      if (result.status === 'rejected' && !isLost(result.reason)) throw result.reason;
    }
  }

  /** Stops listening, removes the socket file and closes all connections; ztunnels go on serving. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#server.close();
    await this.#accepting;
    const reason = new ZdsError('ZDS_CONNECTION_LOST', 'the agent is closing');
    for (const connection of this.#serving.keys()) connection.abort(reason);
    await Promise.all(this.#serving.values());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #acceptAll(): Promise<void> {
    try {
      for await (const accepted of this.#server) {
        this.#track(accepted);
        await delay(this.#options.acceptIntervalMs ?? ACCEPT_INTERVAL_MS, undefined, { signal: this.#closing.signal });
      }
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#log.error([['error', messageOf(error)]], 'ZDS server stopped accepting');
    }
  }

  #track(accepted: SeqpacketConnection): void {
    const connection = new AgentConnection(accepted, this.#deadlineMs);
    const served = this.#serve(connection).finally(() => this.#serving.delete(connection));
    this.#serving.set(connection, served);
  }

  /** Never rejects. */
  async #serve(connection: AgentConnection): Promise<void> {
    let version: number;
    try {
      version = await connection.readHello();
    } catch (error) {
      this.#log.warn([['error', messageOf(error)]], 'ztunnel did not say hello');
      connection.abort(toLost(error));
      return;
    }
    this.#connections.add(connection);
    this.#log.info([['version', version]], 'ztunnel connected');
    // Queued first: what `onConnect` or others send comes after the snapshot.
    const snapshot = this.#sendSnapshot(connection);
    this.#options.onConnect?.(this.connected);
    const [reason] = await Promise.all([connection.readAnswers(), snapshot]);
    this.#connections.delete(connection);
    this.#log.info([['reason', reason.message]], 'ztunnel disconnected');
    this.#options.onDisconnect?.(this.connected);
  }

  /** An answer with an error is only logged; anything else that fails ends the connection. */
  async #sendSnapshot(connection: AgentConnection): Promise<void> {
    try {
      await connection.exclusively(async (exchange) => {
        for (const { uid, name, namespace, serviceAccount, netns } of this.#options.snapshot()) {
          const error = await (netns === undefined
            ? exchange({ type: 'keep', uid })
            : exchange({ type: 'add', uid, info: { name, namespace, serviceAccount } }, netns));
          if (error !== '')
            this.#log.warn(
              [
                ['uid', uid],
                ['error', error],
              ],
              'ztunnel refused a pod of the snapshot',
            );
        }
        const error = await exchange({ type: 'snapshot-sent' });
        if (error !== '') this.#log.warn([['error', error]], 'ztunnel refused the end of the snapshot');
      });
      this.#options.onSnapshot?.();
    } catch (error) {
      this.#log.warn([['error', messageOf(error)]], 'snapshot failed');
      connection.abort(toLost(error));
    }
  }
}

function isLost(error: unknown): boolean {
  return error instanceof ZdsError && error.code === 'ZDS_CONNECTION_LOST';
}

function toLost(cause: unknown): ZdsError {
  return cause instanceof ZdsError ? cause : new ZdsError('ZDS_CONNECTION_LOST', messageOf(cause), { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
