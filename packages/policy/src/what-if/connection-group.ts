import type { RecordedConnection, RecordedWorkload } from './recorded-connection.ts';

/** Recorded connections that policies cannot tell apart. */
export interface ConnectionGroup {
  /** One of them, and so all, but for the line, the time and what was recorded. */
  readonly sample: RecordedConnection;
  readonly workload: RecordedWorkload;
  readonly count: number;
  /** Lines of the log, from 1: the first ones. */
  readonly lines: readonly number[];
  /** How many of them were recorded as what. */
  readonly recorded: { readonly allowed: number; readonly denied: number; readonly unknown: number };
}

/** Lines that are told of a group: enough to find examples in the log. */
const MOST_LINES = 10;

/** Puts together those from one identity and address to one workload, address and port, in the order of their first lines. */
export function groupConnections(connections: Iterable<RecordedConnection>): readonly ConnectionGroup[] {
  const groups = new Map<string, GrowingGroup>();
  for (const connection of connections) {
    const key = keyOf(connection);
    const group = groups.get(key) ?? new GrowingGroup(connection);
    groups.set(key, group);
    group.add(connection);
  }
  return [...groups.values()].map((group) => group.finish());
}

class GrowingGroup {
  readonly #sample: RecordedConnection;
  readonly #lines: number[] = [];
  readonly #recorded = { allowed: 0, denied: 0, unknown: 0 };
  #count = 0;

  constructor(sample: RecordedConnection) {
    this.#sample = sample;
  }

  add({ line, recorded }: RecordedConnection): void {
    this.#count++;
    this.#recorded[recorded.outcome]++;
    if (this.#lines.length < MOST_LINES) this.#lines.push(line);
  }

  finish(): ConnectionGroup {
    return {
      sample: this.#sample,
      workload: this.#sample.workload,
      count: this.#count,
      lines: this.#lines,
      recorded: this.#recorded,
    };
  }
}

function keyOf({ connection, workload, tunnelTarget, portUncertain }: RecordedConnection): string {
  const { identity, sourceIp, destinationIp, destinationPort } = connection;
  return JSON.stringify([
    workload.namespace,
    workload.name,
    identity && [identity.trustDomain, identity.namespace, identity.serviceAccount],
    sourceIp,
    destinationIp,
    portUncertain ? tunnelTarget : destinationPort,
  ]);
}
