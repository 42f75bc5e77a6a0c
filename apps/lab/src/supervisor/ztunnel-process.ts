import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from '../errors.ts';
import { LAB_RUN } from '../state/bootstrap.ts';
import { CLUSTER_ID, TRUST_DOMAIN } from '../topology/mesh-config.ts';
import type { NodeSpec } from '../topology/topology.ts';
import { SupervisedProcess } from './supervised-process.ts';
import type { SupervisorConfig } from './supervisor-config.ts';

/** Ports of a ztunnel in its own namespace, spec ztunnel.md section 2. */
const METRICS_PORT = 15_020;
const READINESS_PORT = 15_021;
/** A cold start with an empty compile cache on a busy machine of two cores. */
const READY_DEADLINE_MS = 30_000;
const POLL_MS = 25;
const ASK_TIMEOUT_MS = 2_000;
/** A command that ended this often at start will not get better. */
const MAX_EARLY_ENDS = 2;

/** Name the authority's server certificate is issued for, as in a cluster. */
export const AUTHORITY_HOSTNAME = 'istiod.istio-system.svc';

/** What a ztunnel needs to know of its surroundings. */
export interface ZtunnelSurroundings {
  readonly config: SupervisorConfig;
  readonly authorityAddress: string;
  readonly rootCertificatePath: string;
  readonly meshConfigPath: string;
}

/** Folder of a node's files. */
export function nodeDirectory(node: string): string {
  return `${LAB_RUN}/nodes/${node}`;
}

/** Where the output of a node's ztunnel goes. */
export function ztunnelLogPath(node: string): string {
  return `${LAB_RUN}/logs/ztunnel@${node}.log`;
}

/** Prepares a node's ztunnel: in the node's namespace, in an empty folder, with the variables a cluster sets. */
export function createZtunnelProcess(node: NodeSpec, surroundings: ZtunnelSurroundings): SupervisedProcess {
  const { config } = surroundings;
  const workingDirectory = `${nodeDirectory(node.name)}/ztunnel`;
  mkdirSync(workingDirectory, { recursive: true });
  return new SupervisedProcess({
    namespace: node.name,
    command: [...config.ztunnelCommand, 'proxy', 'ztunnel'],
    environment: {
      ...config.environment,
      PROXY_MODE: 'shared',
      INPOD_UDS: agentSocketPath(node.name),
      LOCAL_XDS_PATH: surroundings.meshConfigPath,
      XDS_ADDRESS: '',
      CA_ADDRESS: `https://${surroundings.authorityAddress}`,
      CA_ROOT_CA: surroundings.rootCertificatePath,
      AUTH_TOKEN: tokenPath(node.name),
      ALT_CA_HOSTNAME: AUTHORITY_HOSTNAME,
      NODE_NAME: node.name,
      CLUSTER_ID,
      TRUST_DOMAIN,
      ISTIO_META_DNS_CAPTURE: 'false',
      ...config.ztunnelEnvironment,
    },
    workingDirectory,
    logPath: ztunnelLogPath(node.name),
    restart: config.restartZtunnel,
  });
}

/** The socket on which a node's agent waits for its ztunnel. */
export function agentSocketPath(node: string): string {
  return `${nodeDirectory(node)}/ztunnel.sock`;
}

/** The file with the token a node's ztunnel shows to the authority. */
export function tokenPath(node: string): string {
  return `${nodeDirectory(node)}/istio-token`;
}

/** Whether the node's ztunnel says that it is ready. */
export async function isZtunnelReady(node: NodeSpec): Promise<boolean> {
  try {
    const answer = await ask(node, READINESS_PORT, '/healthz/ready');
    return answer.status === 200;
  } catch {
    return false;
  }
}

/** Text of the node's `/metrics`. Throws LAB_ZTUNNEL_NOT_READY if nothing answers, in `limitMs` or 2 s if that is less. */
export async function readMetrics(node: NodeSpec, limitMs: number = ASK_TIMEOUT_MS): Promise<string> {
  try {
    const answer = await ask(node, METRICS_PORT, '/metrics', Math.min(limitMs, ASK_TIMEOUT_MS));
    return await answer.text();
  } catch (error) {
    throw new LabError('LAB_ZTUNNEL_NOT_READY', `ztunnel@${node.name}: no metrics on port ${METRICS_PORT}`, {
      cause: error,
    });
  }
}

/** Waits for readiness. Throws LAB_ZTUNNEL_NOT_READY with the last line of its log. */
export async function untilZtunnelReady(node: NodeSpec, ztunnel: SupervisedProcess): Promise<void> {
  const deadlineMs = Date.now() + READY_DEADLINE_MS;
  while (!(await isZtunnelReady(node))) {
    const { running, restarts, lastExit } = ztunnel.status();
    const hopeless = restarts >= MAX_EARLY_ENDS || (!running && !ztunnel.options.restart);
    if (hopeless || Date.now() > deadlineMs)
      throw new LabError(
        'LAB_ZTUNNEL_NOT_READY',
        `ztunnel@${node.name}: ${hopeless ? `ended (${lastExit})` : 'is not ready'}; ${await tellingLine(node.name)}`,
      );
    await sleep(POLL_MS);
  }
}

async function ask(node: NodeSpec, port: number, path: string, limitMs = ASK_TIMEOUT_MS): Promise<Response> {
  return fetch(`http://${node.address}:${port}${path}`, {
    signal: AbortSignal.timeout(limitMs),
    headers: { connection: 'close' },
  });
}

/** The line of a log that says most about an end: the last that speaks of an error, or simply the last. */
export async function tellingLine(node: string): Promise<string> {
  const text = await readFile(ztunnelLogPath(node), 'utf8').catch(() => '');
  const telling = findTellingLine(text);
  return telling === '' ? 'its log is empty (is it a ztunnel?)' : `its log says: ${telling}`;
}

/** Of the text of a log, trimmed; empty if there is none. */
export function findTellingLine(text: string): string {
  const lines = text.trim().split('\n');
  // A word of its own, not the part of a setting: `try_tcp_on_error`.
  return (lines.findLast((line) => /\berror\b/i.test(line)) ?? lines.at(-1) ?? '').trim();
}
