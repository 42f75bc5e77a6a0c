import { mkdirSync } from 'node:fs';
import type { NodeStatus } from '../control-protocol.ts';
import { asLabError, LabError } from '../errors.ts';
import type { PolicyReport, PolicyStatus } from '../policies/policy-report.ts';
import { PolicyStore } from '../policies/policy-store.ts';
import { renderRestartNotice } from '../restart-notice.ts';
import { LAB_RUN } from '../state/bootstrap.ts';
import { renderMeshConfig } from '../topology/mesh-config.ts';
import type { NodeSpec } from '../topology/topology.ts';
import { Authority } from './authority.ts';
import { untilConfigInForce } from './config-reload.ts';
import { Enrolment } from './enrolment.ts';
import { MeshFile } from './mesh-file.ts';
import { NodeAgent } from './node-agent.ts';
import type { Pod } from './pods.ts';
import { Publication } from './publication.ts';
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
  readonly #policies: PolicyStore;
  readonly #file: MeshFile;
  readonly #publication: Publication;
  /** Changes of enrolment and policies, one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(parts: {
    readonly config: SupervisorConfig;
    readonly authority: Authority;
    readonly nodes: ReadonlyMap<string, MeshNode>;
    readonly enrolment: Enrolment;
    readonly policies: PolicyStore;
    readonly file: MeshFile;
  }) {
    this.#config = parts.config;
    this.authority = parts.authority;
    this.#nodes = parts.nodes;
    this.#enrolment = parts.enrolment;
    this.#policies = parts.policies;
    this.#file = parts.file;
    this.#publication = new Publication(
      parts.file,
      [...parts.nodes.values()].map((node) => ({
        name: node.spec.name,
        isRunning: () => node.ztunnel.status().running,
        update: () => this.#update(node),
      })),
    );
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
    const policies = new PolicyStore(topology);
    policies.apply(config.policies);
    const file = new MeshFile(MESH_CONFIG_PATH);
    // Whoever is to be enrolled at all is published from the start: a ztunnel may read this file only once.
    const enrolled = new Set(topology.pods.filter((pod) => pod.enrol !== false).map((pod) => pod.name));
    const state = { enrolled, policies: policies.conversion, sourcesTold: config.ownZtunnel };
    file.write(renderMeshConfig(topology, state));
    const nodes = new Map<string, MeshNode>();
    for (const spec of topology.nodes) {
      const agent = NodeAgent.listen(spec.name, agentSocketPath(spec.name));
      const ztunnel = createZtunnelProcess(spec, {
        config,
        authorityAddress: authority.address,
        rootCertificatePath: ROOT_CERTIFICATE_PATH,
        meshConfigPath: file.path,
      });
      nodes.set(spec.name, { spec, agent, ztunnel });
      ztunnel.start();
    }
    const agents = new Map([...nodes].map(([name, node]) => [name, node.agent]));
    const enrolment = await Enrolment.create(agents, ipv6);
    return new Mesh({ config, authority, nodes, enrolment, policies, file });
  }

  /** Resolves when every ztunnel is ready. Throws LAB_ZTUNNEL_NOT_READY. */
  async ready(): Promise<void> {
    const { version } = this.#publication;
    await Promise.all(
      [...this.#nodes.values()].map(async ({ spec, ztunnel }) => {
        await untilZtunnelReady(spec, ztunnel);
        this.#publication.confirm(spec.name, version);
      }),
    );
    // Those that it began with.
    if (version === this.#publication.version) this.#policies.published();
  }

  /** Takes pods over. Resolves to the names of the nodes whose ztunnel was restarted for it. Throws LAB_ENROL_FAILED. */
  enrol(pods: readonly Pod[]): Promise<readonly string[]> {
    return this.#inTurn(() => this.#changeEnrolment(() => this.#enrolment.enrol(pods)));
  }

  /**
   * Gives pods back; as `enrol`. Others are told first, so that nobody dials a tunnel that is no longer there. If they cannot
   * be, nothing is given back and what was published before is again. Throws LAB_ZTUNNEL_NOT_READY, too.
   */
  unenrol(pods: readonly Pod[]): Promise<readonly string[]> {
    return this.#inTurn(async () => {
      const leaving = new Set(pods.map(({ spec }) => spec.name));
      const staying = [...this.#enrolment.enrolled].filter((name) => !leaving.has(name));
      const told = await this.#publish(new Set(staying)).catch((error: unknown) => {
        this.#publication.replace(this.#render(this.#enrolment.enrolled));
        throw error;
      });
      const restarted = await this.#changeEnrolment(() => this.#enrolment.unenrol(pods));
      return [...new Set([...told, ...restarted])];
    });
  }

  /** Takes policy objects; resolves when the ztunnels go by them. Throws LAB_ZTUNNEL_NOT_READY. */
  applyPolicies(values: readonly unknown[]): Promise<PolicyReport> {
    return this.#inTurn(async () => {
      const report = this.#policies.apply(values);
      return { ...report, restarted: await this.#publish() };
    });
  }

  /** Removes policy objects by `KIND/NAMESPACE/NAME`; after a failure it can be tried again. Throws LAB_ARGUMENT_INVALID, LAB_NAME_UNKNOWN, LAB_ZTUNNEL_NOT_READY. */
  deletePolicies(names: readonly string[]): Promise<PolicyReport> {
    return this.#inTurn(async () => {
      const changes = this.#policies.delete(names);
      return { changes, refused: [], restarted: await this.#publish() };
    });
  }

  /** The policy objects that are in force. */
  policies(): readonly PolicyStatus[] {
    return this.#policies.list();
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
    const { version } = this.#publication;
    const ran = ztunnel.status().running;
    ztunnel.start();
    await untilZtunnelReady(spec, ztunnel);
    if (!ran) this.#publication.confirm(node, version);
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
   * Tells the ztunnels what has changed, if anything has, and waits until all of them go by it. One that reads its file only
   * when it starts is started again: resolves to the names of the nodes where that was done.
   */
  async #publish(enrolled: ReadonlySet<string> = this.#enrolment.enrolled): Promise<readonly string[]> {
    const restarted = await this.#publication.publish(this.#render(enrolled));
    this.#policies.published();
    return restarted;
  }

  #render(enrolled: ReadonlySet<string>): string {
    const { topology, ownZtunnel: sourcesTold } = this.#config;
    return renderMeshConfig(topology, { enrolled, policies: this.#policies.conversion, sourcesTold });
  }

  /** Resolves to whether it had to be started again. */
  async #update({ spec, ztunnel }: MeshNode): Promise<boolean> {
    if (await untilConfigInForce(spec, ztunnel, { sha256: this.#file.sha256 })) return false;
    await ztunnel.stop('SIGTERM', DRAIN_GRACE_MS);
    ztunnel.start();
    await untilZtunnelReady(spec, ztunnel);
    return true;
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
