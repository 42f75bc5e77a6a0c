import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LabError } from '../errors.ts';
import { LAB_RUN } from '../state/bootstrap.ts';
import type { PodSpec, Topology } from '../topology/topology.ts';
import { SupervisedProcess } from './supervised-process.ts';

/** Where the lab's own server listens in its pod. */
export const HTTP_SERVER_PORT = 8080;
const HTTP_SERVER = fileURLToPath(new URL('../pods/http-server.ts', import.meta.url));
const POD_START_DEADLINE_MS = 10_000;
const POLL_MS = 15;
const STOP_GRACE_MS = 2_000;

/** A pod: its place in the topology, its identity in the cluster and its process. */
export interface Pod {
  readonly spec: PodSpec;
  /** As Kubernetes gives one to every pod. */
  readonly uid: string;
  readonly process: SupervisedProcess;
}

/** Starts the process of every pod; resolves when all that are the lab's server listen. Throws LAB_START_FAILED. */
export async function startPods(
  topology: Topology,
  environment: Readonly<Record<string, string>>,
): Promise<ReadonlyMap<string, Pod>> {
  const pods = new Map<string, Pod>();
  for (const spec of topology.pods) {
    const workingDirectory = `${LAB_RUN}/pods/${spec.name}`;
    mkdirSync(workingDirectory, { recursive: true });
    const process = new SupervisedProcess({
      namespace: spec.name,
      command: commandOf(spec),
      environment: { ...environment, POD_NAME: spec.name },
      workingDirectory,
      logPath: podLogPath(spec.name),
      restart: false,
    });
    process.start();
    pods.set(spec.name, { spec, uid: randomUUID(), process });
  }
  await Promise.all([...pods.values()].filter((pod) => pod.spec.run === 'http-server').map(untilListening));
  return pods;
}

/** Ends the processes of all pods. */
export async function stopPods(pods: ReadonlyMap<string, Pod>): Promise<void> {
  await Promise.all([...pods.values()].map((pod) => pod.process.stop('SIGTERM', STOP_GRACE_MS)));
}

/** Where a pod's output goes. */
export function podLogPath(name: string): string {
  return `${LAB_RUN}/logs/${name}.log`;
}

function commandOf(spec: PodSpec): readonly string[] {
  if (spec.run === 'http-server') return [process.execPath, HTTP_SERVER, spec.name, String(HTTP_SERVER_PORT)];
  if (spec.run === 'idle') return ['sleep', 'infinity'];
  return spec.run;
}

/** The lab's own namespace has routes to all pods, so a connection from here tells. */
async function untilListening(pod: Pod): Promise<void> {
  const deadlineMs = Date.now() + POD_START_DEADLINE_MS;
  while (!(await accepts(pod.spec.address, HTTP_SERVER_PORT))) {
    const { running, lastExit } = pod.process.status();
    if (!running || Date.now() > deadlineMs)
      throw new LabError(
        'LAB_START_FAILED',
        `pod ${pod.spec.name}: no server on ${pod.spec.address}:${HTTP_SERVER_PORT} (${lastExit ?? 'too slow'}; see its log)`,
      );
    await sleep(POLL_MS);
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
