import { printTable } from '../cli/status-tables.ts';
import type { Terminal } from '../cli/terminal.ts';
import type { LabClient } from '../client/lab-client.ts';
import { LAB_COMMAND } from '../command-name.ts';
import type { CertificateStatus, PodStatus } from '../control-protocol.ts';
import { parseListeningSockets } from '../wire/listening-sockets.ts';
import { type AccessLogLine, completedConnections } from './access-log.ts';
import type { Claims } from './claims.ts';

/** Ports of ztunnel in a pod, and what comes there. */
const PROXY_PORTS: ReadonlyMap<number, string> = new Map([
  [15_001, 'captured outbound'],
  [15_006, 'captured inbound, plain text'],
  [15_008, 'inbound HBONE (mutual TLS)'],
]);
const SHOWN_POD = 'sleep';
/** The log line is written when the connection has ended, which may be after the client has its answer. */
const LOG_DEADLINE_MS = 5_000;
const CERTIFICATE_DEADLINE_MS = 5_000;
const MINUTE_MS = 60_000;

/** What these steps share. */
export interface InsideStep {
  readonly client: LabClient;
  readonly out: Terminal;
  readonly claims: Claims;
}

/** Prints one connection as both ztunnels have logged it. */
export async function showAccessLogs({ client, out, claims }: InsideStep): Promise<void> {
  const pair = await client.waitFor(() => findPair(client), { timeoutMs: LOG_DEADLINE_MS }).catch(() => undefined);
  for (const [node, line] of [
    ['node1', pair?.outbound],
    ['node2', pair?.inbound],
  ] as const) {
    if (line === undefined) continue;
    out.line(`  ${out.paint('cyan', `ztunnel@${node}`)}`);
    out.wrapped(line.text, { indent: 4 });
    out.line();
  }
  claims.check(
    'both ztunnels log the connection with both identities',
    pair !== undefined,
    () => `no two lines of one connection in the logs of ztunnel@node1 and ztunnel@node2 (see \`${LAB_COMMAND} logs\`)`,
  );
}

/** Prints who listens in a pod. */
export async function showSockets({ client, out, claims }: InsideStep): Promise<void> {
  // One after the other: IPv6 may be missing.
  const { stdout } = await client.exec(SHOWN_POD, [
    'sh',
    '-c',
    'cat /proc/net/tcp; cat /proc/net/tcp6 2>/dev/null; true',
  ]);
  const sockets = parseListeningSockets(stdout);
  printTable(
    out,
    ['LISTENING', 'PORT', ''],
    sockets.map(({ address, port }) => [address, String(port), PROXY_PORTS.get(port) ?? '']),
  );
  const missing = [...PROXY_PORTS.keys()].filter((port) => !sockets.some((socket) => socket.port === port));
  out.line();
  claims.check(
    `ztunnel listens inside the pod on ${[...PROXY_PORTS.keys()].join(', ')}`,
    missing.length === 0,
    () => `nobody listens on ${missing.join(', ')}`,
  );
}

/** Prints the firewall rules in a pod. */
export async function showRules({ client, out, claims }: InsideStep): Promise<void> {
  const { stdout, stderr, code } = await client.exec(SHOWN_POD, ['iptables-save']);
  const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of lines) out.wrapped(line, line.startsWith('-A') ? {} : { emphasis: 'dim' });
  out.line();
  const wanted = ['TPROXY --on-port 15008', 'TPROXY --on-port 15006', 'REDIRECT --to-ports 15001'];
  const missing = wanted.filter((text) => !stdout.includes(text));
  claims.check("the pod's own firewall leads its traffic to ztunnel", missing.length === 0, () =>
    code === 0 ? `rules are missing: ${missing.join(', ')}` : stderr.trim(),
  );
}

/** Prints the certificate of each workload, as the authority issued it. */
export async function showCertificates({ client, out, claims }: InsideStep): Promise<void> {
  const { pods } = await client.status();
  // A ztunnel asks for one identity after the other.
  await client
    .waitFor(async () => withoutCertificate(pods, await client.certificates()).length === 0, {
      timeoutMs: CERTIFICATE_DEADLINE_MS,
    })
    .catch(() => undefined);
  const issued = await client.certificates();
  printTable(
    out,
    ['SPIFFE ID', 'NODE', 'VALID UNTIL (UTC)', 'LEFT'],
    issued.map(({ spiffeId, node, notAfter }) => [
      spiffeId,
      node,
      notAfter.slice(0, 16).replace('T', ' '),
      renderDuration(Date.parse(notAfter) - Date.now()),
    ]),
  );
  const lacking = withoutCertificate(pods, issued);
  out.line();
  claims.check(
    'every workload has a certificate of its own identity',
    lacking.length === 0,
    () => `none for ${lacking.map((pod) => `${pod.name} on ${pod.node}`).join(', ')}`,
  );
}

/** Pods for whose identity their node has no certificate that is valid now. */
function withoutCertificate(pods: readonly PodStatus[], issued: readonly CertificateStatus[]): PodStatus[] {
  const now = Date.now();
  return pods.filter((pod) => {
    const id = `spiffe://cluster.local/ns/${pod.namespace}/sa/${pod.serviceAccount}`;
    return !issued.some(
      ({ spiffeId, node, notBefore, notAfter }) =>
        spiffeId === id && node === pod.node && Date.parse(notBefore) <= now && now < Date.parse(notAfter),
    );
  });
}

async function findPair(
  client: LabClient,
): Promise<{ readonly outbound: AccessLogLine; readonly inbound: AccessLogLine } | undefined> {
  const [near, far] = await Promise.all([client.ztunnelLog('node1'), client.ztunnelLog('node2')]);
  for (const outbound of completedConnections(near, 'outbound')) {
    const target = outbound.fields.get('dst.hbone_addr');
    const inbound = completedConnections(far, 'inbound').find((line) => isMirror(outbound, line));
    if (target !== undefined && inbound !== undefined) return { outbound, inbound };
  }
  return undefined;
}

/** The same connection seen from both ends: identities equal, byte counts crossed. */
function isMirror(outbound: AccessLogLine, inbound: AccessLogLine): boolean {
  const pairs = [
    ['src.identity', 'src.identity'],
    ['dst.identity', 'dst.identity'],
    ['dst.hbone_addr', 'dst.hbone_addr'],
    ['bytes_sent', 'bytes_recv'],
    ['bytes_recv', 'bytes_sent'],
  ] as const;
  return pairs.every(([ours, theirs]) => {
    const value = outbound.fields.get(ours);
    return value !== undefined && value === inbound.fields.get(theirs);
  });
}

function renderDuration(milliseconds: number): string {
  const minutes = Math.round(milliseconds / MINUTE_MS);
  return minutes >= 120 ? `${Math.round(minutes / 60)} h` : `${minutes} min`;
}
