import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import type { NodeStatus } from '../control-protocol.ts';
import { asLabError, LabError } from '../errors.ts';
import { renderRestartNotice } from '../restart-notice.ts';
import { LAB_RUN } from '../state/bootstrap.ts';
import { renderMeshConfig } from '../topology/mesh-config.ts';
import type { NodeSpec } from '../topology/topology.ts';
import { Authority } from './authority.ts';
import { Enrolment } from './enrolment.ts';
import { NodeAgent } from './node-agent.ts';
import type { Pod } from './pods.ts';
import type { SupervisedProcess } from './supervised-process.ts';
import type { SupervisorConfig } from './supervisor-config.ts';
import {
  agentSocketPath,
  createZtunnelProcess,
  isZtunnelReady,
  nodeDirectory,
  readMetrics,
  untilZtunnelReady,
} from './ztunnel-process.ts';

const ROOT_CERTIFICATE_PATH = `${LAB_RUN}/root-cert.pem`;
const MESH_CONFIG_PATH = `${LAB_RUN}/mesh.yaml`;
/** As Kubernetes' default grace period, and a moment: a drain may be configured to take that long. */
const DRAIN_GRACE_MS = 31_000;

interface MeshNode {
  readonly spec: NodeSpec;
  readonly agent: NodeAgent;
  readonly ztunnel: SupervisedProcess;
}

/** The mesh's part of the lab: authority, an agent and a ztunnel for each node, enrolment. */
export class Mesh {
  readonly authority: Authority;
  readonly #config: SupervisorConfig;
  readonly #nodes: ReadonlyMap<string, MeshNode>;
  readonly #enrolment: Enrolment;
  /** The pods that the ztunnels' configuration calls reachable by HBONE. */
  #published: ReadonlySet<string>;
  /** Enrolments, one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(parts: {
    readonly config: SupervisorConfig;
    readonly authority: Authority;
    readonly nodes: ReadonlyMap<string, MeshNode>;
    readonly enrolment: Enrolment;
    readonly published: ReadonlySet<string>;
  }) {
    this.#config = parts.config;
    this.authority = parts.authority;
    this.#nodes = parts.nodes;
    this.#enrolment = parts.enrolment;
    this.#published = parts.published;
  }

  /** Starts everything; ztunnels may take longer, see `ready`. Throws what can go wrong on the way as `LabError`. */
  static async start(config: SupervisorConfig, ipv6: boolean): Promise<Mesh> {
    const { topology } = config;
    for (const node of topology.nodes) mkdirSync(nodeDirectory(node.name), { recursive: true });
    const authority = await Authority.start({
      topology,
      rootPath: ROOT_CERTIFICATE_PATH,
      certificateSeconds: config.certificateSeconds,
    });
    // Whoever is to be enrolled at all is published from the start: ztunnel reads this file only once.
    const published = new Set(topology.pods.filter((pod) => pod.enrol !== false).map((pod) => pod.name));
    writeMeshConfig(config, published);
    const nodes = new Map<string, MeshNode>();
    for (const spec of topology.nodes) {
      const agent = NodeAgent.listen(spec.name, agentSocketPath(spec.name));
      const ztunnel = createZtunnelProcess(spec, {
        config,
        authorityAddress: authority.address,
        rootCertificatePath: ROOT_CERTIFICATE_PATH,
        meshConfigPath: MESH_CONFIG_PATH,
      });
      nodes.set(spec.name, { spec, agent, ztunnel });
      ztunnel.start();
    }
    const agents = new Map([...nodes].map(([name, node]) => [name, node.agent]));
    const enrolment = await Enrolment.create(agents, ipv6);
    return new Mesh({ config, authority, nodes, enrolment, published });
  }

  /** Resolves when every ztunnel is ready. Throws LAB_ZTUNNEL_NOT_READY. */
  async ready(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((node) => untilZtunnelReady(node.spec, node.ztunnel)));
  }

  /** Takes pods over. Resolves to the names of the nodes whose ztunnel was restarted for it. Throws LAB_ENROL_FAILED. */
  enrol(pods: readonly Pod[]): Promise<readonly string[]> {
    return this.#inTurn(() => this.#changeEnrolment(() => this.#enrolment.enrol(pods)));
  }

  /** Gives pods back; as `enrol`. */
  unenrol(pods: readonly Pod[]): Promise<readonly string[]> {
    return this.#inTurn(() => this.#changeEnrolment(() => this.#enrolment.unenrol(pods)));
  }

  isEnrolled(pod: string): boolean {
    return this.#enrolment.enrolled.has(pod);
  }

  /** Sends a signal to a node's ztunnel. Throws LAB_NAME_UNKNOWN. */
  signal(node: string, signal: NodeJS.Signals): void {
    this.#node(node).ztunnel.signal(signal);
  }

  /** Ends a node's ztunnel and leaves it so. Throws LAB_NAME_UNKNOWN. */
  async stop(node: string, signal: NodeJS.Signals): Promise<void> {
    await this.#node(node).ztunnel.stop(signal, DRAIN_GRACE_MS);
  }

  /** Starts a node's ztunnel and waits until it is ready. Throws LAB_NAME_UNKNOWN, LAB_ZTUNNEL_NOT_READY. */
  async startZtunnel(node: string): Promise<void> {
    const { spec, ztunnel } = this.#node(node);
    ztunnel.start();
    await untilZtunnelReady(spec, ztunnel);
  }

  /** Text of the node's metrics. Throws LAB_NAME_UNKNOWN, LAB_ZTUNNEL_NOT_READY. */
  metrics(node: string): Promise<string> {
    return readMetrics(this.#node(node).spec);
  }

  status(): Promise<NodeStatus[]> {
    return Promise.all(
      [...this.#nodes.values()].map(async ({ spec, agent, ztunnel }) => ({
        name: spec.name,
        address: spec.address,
        ztunnel: ztunnel.status(),
        agentConnections: agent.connections,
        ready: await isZtunnelReady(spec),
      })),
    );
  }

  /** Ends ztunnels, agents and authority. */
  async close(): Promise<void> {
    // Nobody is served any more: no drain.
    await Promise.all([...this.#nodes.values()].map((node) => node.ztunnel.stop('SIGKILL', DRAIN_GRACE_MS)));
    await Promise.all([...this.#nodes.values()].map((node) => node.agent.close()));
    this.authority.close();
  }

  /** Publishes also what has changed of a change that failed, and tells of restarts then too. */
  async #changeEnrolment(change: () => Promise<void>): Promise<readonly string[]> {
    const failure = await change().then(
      () => undefined,
      (error: unknown) => asLabError(error, 'LAB_ENROL_FAILED'),
    );
    const restarted = await this.#publish();
    if (failure === undefined) return restarted;
    if (restarted.length === 0) throw failure;
    const message = `${failure.message}; ${renderRestartNotice(restarted)}`;
    throw new LabError(failure.code, message, { cause: failure });
  }

  /**
   * Until there is discovery, a ztunnel learns who is enrolled when it starts: start it again if that has changed.
   * Resolves to the names of the nodes where that was done.
   */
  async #publish(): Promise<readonly string[]> {
    const { enrolled } = this.#enrolment;
    if (enrolled.size === this.#published.size && [...enrolled].every((name) => this.#published.has(name))) return [];
    this.#published = new Set(enrolled);
    writeMeshConfig(this.#config, this.#published);
    const running = [...this.#nodes.values()].filter(({ ztunnel }) => ztunnel.status().running);
    await Promise.all(
      running.map(async ({ spec, ztunnel }) => {
        await ztunnel.stop('SIGTERM', DRAIN_GRACE_MS);
        ztunnel.start();
        await untilZtunnelReady(spec, ztunnel);
      }),
    );
    return running.map(({ spec }) => spec.name);
  }

  #node(name: string): MeshNode {
    const node = this.#nodes.get(name);
    if (node === undefined)
      throw new LabError('LAB_NAME_UNKNOWN', `${name}: no such node (there are ${[...this.#nodes.keys()].join(', ')})`);
    return node;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }
}

/** Replaces the file at once: a ztunnel that starts just now reads the old or the new one, never half. */
function writeMeshConfig(config: SupervisorConfig, published: ReadonlySet<string>): void {
  writeFileSync(`${MESH_CONFIG_PATH}.new`, renderMeshConfig(config.topology, published));
  renameSync(`${MESH_CONFIG_PATH}.new`, MESH_CONFIG_PATH);
}
