import type { ClientCommands, ServerCommands } from '../load/protocol.ts';
import type { Agent } from '../measure/agent.ts';

/** One way from client to server that is measured beside the others. */
export interface Contestant {
  /** Short: the head of a column. */
  readonly name: string;
  /** What it is, in a line. */
  readonly description: string;
  /** Where the client connects, in its pod's network. */
  readonly host: string;
  readonly client: Agent<ClientCommands>;
  readonly server: Agent<ServerCommands>;
  /** Processes between client and server, as this machine numbers them. Throws BENCH_PROXY_MISSING. */
  readonly proxyPids: () => Promise<readonly number[]>;
  /** How often proxies have ended and were started again. */
  readonly restarts: () => Promise<number>;
}

/** Some contestants that live in one lab; `close` ends it with all its processes. */
export interface ContestantGroup extends AsyncDisposable {
  readonly contestants: readonly Contestant[];
  close(): Promise<void>;
}

/** How to start a lab for the benchmark. */
export interface Surroundings {
  /** Labs of one run have names that begin with it. */
  readonly labPrefix: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}
