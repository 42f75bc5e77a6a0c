import { stderr } from 'node:process';
import { Namespace } from '@ambientmesh/netns';
import { type AgentWorkload, listenZds, type SnapshotWorkload, type ZdsLogger, type ZdsServer } from '@ambientmesh/zds';
import { namespaceOf } from '../topology/topology.ts';
import type { Pod } from './pods.ts';

interface Announced extends AgentWorkload {
  readonly netns: Namespace;
}

/** The agent's end of one node's ztunnel socket: which pods are the ztunnel's, told to each ztunnel that connects. */
export class NodeAgent {
  readonly #announced = new Map<string, Announced>();
  readonly #server: ZdsServer;

  private constructor(node: string, path: string) {
    this.#server = listenZds({ path, snapshot: () => this.#snapshot(), logger: loggerFor(node) });
  }

  /** Listens on `path` for the ztunnel of `node`. Throws what `listenZds` throws. */
  static listen(node: string, path: string): NodeAgent {
    return new NodeAgent(node, path);
  }

  /** Ztunnels that are connected. */
  get connections(): number {
    return this.#server.connected;
  }

  /** Gives the pod to the node's ztunnel; resolves when that listens in it. Throws `ZdsError`s; the pod is not given then. */
  async add(pod: Pod): Promise<void> {
    const { spec, uid } = pod;
    const announced = {
      uid,
      name: spec.name,
      namespace: namespaceOf(spec),
      serviceAccount: spec.serviceAccount,
      netns: Namespace.open(`/run/netns/${spec.name}`),
    };
    this.#announced.set(uid, announced);
    try {
      await this.#server.add(announced);
    } catch (error) {
      await this.remove(pod).catch(() => undefined);
      throw error;
    }
  }

  /** Takes the pod from all ztunnels. */
  async remove(pod: Pod): Promise<void> {
    const announced = this.#announced.get(pod.uid);
    if (announced === undefined) return;
    this.#announced.delete(pod.uid);
    try {
      await this.#server.delete(pod.uid);
    } finally {
      announced.netns.close();
    }
  }

  /** Closes socket and connections. */
  async close(): Promise<void> {
    await this.#server.close();
    for (const { netns } of this.#announced.values()) netns.close();
    this.#announced.clear();
  }

  #snapshot(): Iterable<SnapshotWorkload> {
    return [...this.#announced.values()];
  }
}

function loggerFor(node: string): ZdsLogger {
  const log =
    (level: string): ZdsLogger['info'] =>
    (fields, message) => {
      const text = fields.map(([key, value]) => ` ${key}=${JSON.stringify(value)}`).join('');
      stderr.write(`${new Date().toISOString()} ${level} agent@${node}: ${message}${text}\n`);
    };
  return { debug: () => undefined, info: log('info'), warn: log('warn'), error: log('error') };
}
