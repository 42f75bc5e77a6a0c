import { type LabClient, startLab } from '@ambientmesh/lab';
import { CertificateAuthority, type TlsIdentity } from '@ambientmesh/spiffe';
import { BenchError } from '../errors.ts';
import type {
  InboundCommands,
  InboundConfig,
  OutboundCommands,
  OutboundConfig,
} from '../http2-pair/forwarder-config.ts';
import { ALL_PORTS, type ClientCommands, type ServerCommands } from '../load/protocol.ts';
import { Agent } from '../measure/agent.ts';
import { listProcessTree } from '../measure/process-usage.ts';
import type { Contestant, ContestantGroup, Surroundings } from './contestant.ts';
import { CLIENT_POD, SERVER_ADDRESS, SERVER_POD, TOPOLOGY, TRUST_DOMAIN } from './topology.ts';

/** Name of the contestant without anything in between. */
export const DIRECT = 'direct';

const MEBIBYTE = 1_024 * 1_024;

/** The pairs of forwarders; those in one pod differ in address and port. */
const HTTP2_PAIRS: readonly Http2Pair[] = [
  {
    name: 'http2',
    description: 'node:http2 CONNECT pair over mutual TLS, default windows',
    listenHost: '127.0.0.1',
    peerPort: 15_008,
    windows: {},
  },
  {
    name: 'http2-4M',
    description: 'the same with windows of 4 MiB a stream and 16 MiB a connection',
    listenHost: '127.0.0.2',
    peerPort: 15_009,
    windows: { streamWindowBytes: 4 * MEBIBYTE, connectionWindowBytes: 16 * MEBIBYTE },
  },
];

interface Http2Pair {
  readonly name: string;
  readonly description: string;
  readonly listenHost: string;
  readonly peerPort: number;
  readonly windows: { readonly streamWindowBytes?: number; readonly connectionWindowBytes?: number };
}

/** What all contestants of the lab share. */
interface Ends {
  readonly client: Agent<ClientCommands>;
  readonly server: Agent<ServerCommands>;
}

/** Names of everything `startBaselines` can start. */
export const BASELINE_NAMES: readonly string[] = [DIRECT, ...HTTP2_PAIRS.map((pair) => pair.name)];

/** Brings up one lab without a mesh and, in its pods, those of the baselines that `wanted` names. */
export async function startBaselines(
  wanted: ReadonlySet<string>,
  surroundings: Surroundings,
): Promise<ContestantGroup> {
  const { labPrefix, environment, signal } = surroundings;
  const lab = await startLab({ name: `${labPrefix}-plain`, topology: TOPOLOGY, mesh: false, environment, signal });
  const close = (): Promise<void> => lab.close();
  try {
    const ends: Ends = {
      server: Agent.start<ServerCommands>(lab, SERVER_POD, 'load/server.ts'),
      client: Agent.start<ClientCommands>(lab, CLIENT_POD, 'load/client.ts'),
    };
    await ends.server.request('ready');
    const contestants: Contestant[] = [];
    if (wanted.has(DIRECT)) contestants.push(directContestant(ends));
    const authority = await CertificateAuthority.create({ trustDomain: TRUST_DOMAIN });
    for (const pair of HTTP2_PAIRS)
      if (wanted.has(pair.name)) contestants.push(await startHttp2Pair(lab, ends, { pair, authority }));
    return { contestants, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function directContestant(ends: Ends): Contestant {
  return {
    ...ends,
    name: DIRECT,
    description: 'TCP from pod to pod, nothing in between',
    host: SERVER_ADDRESS,
    proxyPids: () => Promise.resolve([]),
    restarts: () => Promise.resolve(0),
  };
}

async function startHttp2Pair(
  lab: LabClient,
  ends: Ends,
  { pair, authority }: { readonly pair: Http2Pair; readonly authority: CertificateAuthority },
): Promise<Contestant> {
  const inbound = Agent.start<InboundCommands>(lab, SERVER_POD, 'http2-pair/inbound.ts');
  const outbound = Agent.start<OutboundCommands>(lab, CLIENT_POD, 'http2-pair/outbound.ts');
  const inboundConfig: InboundConfig = {
    ...pair.windows,
    identity: await issueIdentity(authority, SERVER_POD),
    host: SERVER_ADDRESS,
    port: pair.peerPort,
  };
  await inbound.request('configure', inboundConfig);
  const outboundConfig: OutboundConfig = {
    ...pair.windows,
    identity: await issueIdentity(authority, CLIENT_POD),
    listenHost: pair.listenHost,
    ports: ALL_PORTS,
    peer: { host: SERVER_ADDRESS, port: pair.peerPort },
    destination: SERVER_ADDRESS,
  };
  await outbound.request('configure', outboundConfig);
  return {
    ...ends,
    name: pair.name,
    description: pair.description,
    host: pair.listenHost,
    proxyPids: () => Promise.resolve([inbound, outbound].map((agent) => scriptPid(agent, pair.name))),
    restarts: () => Promise.resolve(0),
  };
}

/** The last process of the chain that enters the pod. */
function scriptPid(agent: { readonly pid: number }, name: string): number {
  const [, ...below] = listProcessTree(agent.pid);
  const pid = below.at(-1);
  if (pid === undefined) throw new BenchError('BENCH_PROXY_MISSING', `${name}: a forwarder is not running`);
  return pid;
}

async function issueIdentity(authority: CertificateAuthority, serviceAccount: string): Promise<TlsIdentity> {
  const issued = await authority.issue({
    uris: [`spiffe://${TRUST_DOMAIN}/ns/default/sa/${serviceAccount}`],
  });
  return { privateKeyPem: issued.privateKeyPem, chainPem: issued.chainPem, rootsPem: [authority.rootPem] };
}
