import { mkdirSync } from 'node:fs';
import type { Server } from 'node:net';
import type { ControlOperation, LabStatus, StartReport } from '../control-protocol.ts';
import { LabError } from '../errors.ts';
import { LAB_RUN, LABS_INSIDE } from '../state/bootstrap.ts';
import { addressesOf, hostnameOf, namespaceOf, type Topology } from '../topology/topology.ts';
import { readCount, readFlag, readName, readNames, readNumber, readObjects, readSignal } from './arguments.ts';
import { Captures } from './captures.ts';
import { listenControl, type Operation, type OperationContext } from './control-server.ts';
import { readLog } from './log-follower.ts';
import { Mesh } from './mesh.ts';
import { buildNetwork, hasIpv6 } from './network.ts';
import { type Pod, podLogPath, startPods, stopPods } from './pods.ts';
import type { SupervisorConfig } from './supervisor-config.ts';
import { ztunnelLogPath } from './ztunnel-process.ts';

/** A lab that is up, from inside: what its control socket offers. */
export class Lab {
  /** Settles when somebody has asked for the end; whoever runs the lab then calls `close`. */
  readonly ended: Promise<void>;
  readonly #config: SupervisorConfig;
  readonly #ipv6: boolean;
  readonly #pods: ReadonlyMap<string, Pod>;
  readonly #mesh: Mesh | undefined;
  readonly #captures: Captures;
  readonly #startedAt = new Date().toISOString();
  #end: () => void = () => undefined;
  #control: Server | undefined;

  private constructor(parts: {
    readonly config: SupervisorConfig;
    readonly ipv6: boolean;
    readonly pods: ReadonlyMap<string, Pod>;
    readonly mesh: Mesh | undefined;
  }) {
    this.#config = parts.config;
    this.#ipv6 = parts.ipv6;
    this.#pods = parts.pods;
    this.#mesh = parts.mesh;
    this.#captures = new Captures(parts.config.topology);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Builds everything `config` says, in the namespaces the process is in. Throws `LabError`s of every kind. */
  static async start(config: SupervisorConfig, report: (step: StartReport) => void): Promise<Lab> {
    mkdirSync(`${LAB_RUN}/logs`, { recursive: true });
    const ipv6 = hasIpv6();
    const topology = ipv6 ? config.topology : withoutIpv6(config.topology);
    const effective = { ...config, topology };
    report({ step: 'network' });
    await buildNetwork(topology, ipv6);
    report({ step: config.mesh ? 'ztunnels and pods' : 'pods' });
    const [mesh, pods] = await Promise.all([
      config.mesh ? Mesh.start(effective, ipv6) : undefined,
      startPods(topology, config.environment),
    ]);
    const lab = new Lab({ config: effective, ipv6, pods, mesh });
    lab.#control = await listenControl(`${LABS_INSIDE}/${config.name}/control.sock`, lab.#operations());
    report({ step: 'readiness' });
    await mesh?.ready();
    if (config.enrol && mesh !== undefined) {
      report({ step: 'enrolment' });
      await mesh.enrol([...pods.values()].filter((pod) => pod.spec.enrol !== false));
    }
    return lab;
  }

  /** Ends all processes; what is left, the kernel removes with the namespaces. */
  async close(): Promise<void> {
    this.#control?.close();
    await Promise.all([this.#mesh?.close(), stopPods(this.#pods)]);
  }

  #operations(): Readonly<Record<ControlOperation, Operation>> {
    return {
      status: () => this.#status(),
      enrol: (context) => this.#needMesh().enrol(this.#podsNamed(context)),
      unenrol: (context) => this.#needMesh().unenrol(this.#podsNamed(context)),
      'ztunnel-signal': async ({ arguments: given }) => this.#needMesh().signal(readName(given), readSignal(given)),
      'ztunnel-stop': ({ arguments: given }) => this.#needMesh().stop(readName(given), readSignal(given)),
      'ztunnel-start': ({ arguments: given }) => this.#needMesh().startZtunnel(readName(given)),
      'ztunnel-restart': async ({ arguments: given }) => {
        await this.#needMesh().stop(readName(given), readSignal(given));
        await this.#needMesh().startZtunnel(readName(given));
      },
      logs: (context) => this.#logs(context),
      'capture-start': async ({ arguments: given, signal }) => this.#captures.start(readName(given), signal),
      'capture-stop': ({ arguments: given }) => this.#captures.stop(readNumber(given, 'capture')),
      metrics: ({ arguments: given }) => this.#needMesh().metrics(readName(given)),
      'policy-apply': ({ arguments: given }) => this.#needMesh().applyPolicies(readObjects(given)),
      'policy-delete': ({ arguments: given }) => this.#needMesh().deletePolicies(readNames(given)),
      'policy-list': async () => this.#needMesh().policies(),
      certificates: async () => this.#needMesh().authority.issued.list(),
      down: async () => {
        setImmediate(this.#end);
      },
    };
  }

  async #status(): Promise<LabStatus> {
    const { name, topology, ztunnelCommand } = this.#config;
    return {
      name,
      startedAt: this.#startedAt,
      ipv6: this.#ipv6,
      ztunnelCommand,
      nodes: (await this.#mesh?.status()) ?? [],
      pods: [...this.#pods.values()].map(({ spec, uid, process }) => {
        const [address = '', address6] = addressesOf(spec);
        return {
          name: spec.name,
          namespace: namespaceOf(spec),
          serviceAccount: spec.serviceAccount,
          node: spec.node,
          address,
          ...(address6 === undefined ? {} : { address6 }),
          uid,
          process: process.status(),
          enrolled: this.#mesh?.isEnrolled(spec.name) ?? false,
        };
      }),
      services: topology.services.map((service) => ({
        hostname: hostnameOf(service),
        vip: service.vip,
        ports: service.ports,
        endpoints: service.endpoints,
      })),
    };
  }

  async #logs(context: OperationContext): Promise<void> {
    const { arguments: given, signal } = context;
    const reading = { follow: readFlag(given, 'follow'), lines: readCount(given, 'lines'), signal };
    for await (const text of readLog(this.#logPath(readName(given)), reading)) context.emit(text);
  }

  #logPath(source: string): string {
    const { nodes } = this.#config.topology;
    if (this.#pods.has(source)) return podLogPath(source);
    const node = nodes.find((spec) => source === spec.name || source === `ztunnel@${spec.name}`);
    if (node !== undefined) return ztunnelLogPath(node.name);
    const known = [...nodes.map((spec) => `ztunnel@${spec.name}`), ...this.#pods.keys()].join(', ');
    throw new LabError('LAB_NAME_UNKNOWN', `${source}: no log of the name (there are ${known})`);
  }

  #podsNamed({ arguments: given }: OperationContext): Pod[] {
    return readNames(given).map((name) => {
      const pod = this.#pods.get(name);
      if (pod === undefined)
        throw new LabError('LAB_NAME_UNKNOWN', `${name}: no such pod (there are ${[...this.#pods.keys()].join(', ')})`);
      return pod;
    });
  }

  #needMesh(): Mesh {
    if (this.#mesh === undefined) throw new LabError('LAB_NAME_UNKNOWN', 'this lab was started without a mesh');
    return this.#mesh;
  }
}

function withoutIpv6(topology: Topology): Topology {
  return {
    nodes: topology.nodes.map(({ address6: _address6, podCidr6: _podCidr6, ...node }) => node),
    pods: topology.pods.map(({ address6: _address6, ...pod }) => pod),
    services: topology.services.map(({ vip6: _vip6, ...service }) => service),
  };
}
