import { type LabClient, startLab } from '@ambientmesh/lab';
import { BenchError } from '../errors.ts';
import type { ClientCommands, ServerCommands } from '../load/protocol.ts';
import { Agent } from '../measure/agent.ts';
import { findByInnerPid, listProcessTree } from '../measure/process-usage.ts';
import type { ContestantGroup, Surroundings } from './contestant.ts';
import { type Engine, runsOnEngine } from './engine.ts';
import { CLIENT_POD, SERVER_ADDRESS, SERVER_POD, TOPOLOGY } from './topology.ts';

/** A pair of ztunnels to start. */
export interface MeshOptions {
  readonly name: string;
  readonly description: string;
  /** Command of the ztunnel; the project's own from its sources if absent. */
  readonly command?: readonly string[];
  /** What it is to run on, if it is the project's own. */
  readonly engine?: Engine;
}

/**
 * Brings up a lab with its pods enrolled, each node with the given ztunnel. Throws what `startLab` throws, and
 * BENCH_ENGINE_FELL_BACK.
 */
export async function startMesh(options: MeshOptions, surroundings: Surroundings): Promise<ContestantGroup> {
  const lab = await startLab({
    name: `${surroundings.labPrefix}-${options.name}`,
    topology: TOPOLOGY,
    environment: surroundings.environment,
    signal: surroundings.signal,
    ...(options.command === undefined ? {} : { ztunnel: options.command }),
    // Also where a shell has another engine for its labs.
    ...(options.engine === undefined ? {} : { ztunnelEnvironment: { ZTUNNEL_ENGINE: options.engine } }),
  });
  const close = (): Promise<void> => lab.close();
  try {
    await checkEngine(lab, options);
    const server = Agent.start<ServerCommands>(lab, SERVER_POD, 'load/server.ts');
    const client = Agent.start<ClientCommands>(lab, CLIENT_POD, 'load/client.ts');
    await server.request('ready');
    const proxyPids = async (): Promise<number[]> => {
      const { nodes } = await lab.status();
      return nodes.flatMap(({ name, ztunnel }) => {
        const pid = ztunnel.pid === undefined ? undefined : findByInnerPid(lab.initPid, ztunnel.pid);
        if (pid === undefined)
          throw new BenchError('BENCH_PROXY_MISSING', `${options.name}: ztunnel@${name} is not running`);
        return listProcessTree(pid);
      });
    };
    const restarts = async (): Promise<number> => {
      const { nodes } = await lab.status();
      return nodes.reduce((sum, { ztunnel }) => sum + ztunnel.restarts, 0);
    };
    const { name, description } = options;
    const contestant = { name, description, host: SERVER_ADDRESS, client, server, proxyPids, restarts };
    return { contestants: [contestant], close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function checkEngine(lab: LabClient, { name, engine }: MeshOptions): Promise<void> {
  if (engine === undefined) return;
  for (const node of TOPOLOGY.nodes)
    await lab.waitFor(async () => runsOnEngine(await lab.metrics(node.name), engine), {
      what: `${name}: engine of ztunnel@${node.name}`,
    });
}
