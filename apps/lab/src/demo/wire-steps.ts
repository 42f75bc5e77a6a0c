import { printTable } from '../cli/status-tables.ts';
import type { Terminal } from '../cli/terminal.ts';
import type { LabClient } from '../client/lab-client.ts';
import { renderEndpoint } from '../wire/frame.ts';
import type { TlsRecordHeader } from '../wire/stream-content.ts';
import { CONTENT_NAMES, containsText, summarizeWire, type WireSummary } from '../wire/wire-summary.ts';
import type { Claims } from './claims.ts';
import { type Answer, countByPod, curlHttpbin } from './requests.ts';

/** Where the frames between the nodes are seen, and who is on the other side. */
const WATCHED_NODE = 'node2';
const CLIENT_POD = 'sleep';
/** A ztunnel that chooses at random needs more than two requests to show both replicas. */
const MAX_REQUESTS = 24;
/** Of everything in clear text these would be seen first. */
const TELLTALES = ['HTTP/1.1', 'GET /ip', 'httpbin', 'curl/'];

/** What the steps on the wire share. */
export interface WireStep {
  readonly client: LabClient;
  readonly out: Terminal;
  readonly claims: Claims;
  readonly requests: number;
  /** Whether the answers must alternate. */
  readonly evenly: boolean;
}

/** Curls before enrolment and shows what anybody between the nodes can read. */
export async function showPlainWire(step: WireStep): Promise<void> {
  const { out, claims } = step;
  const { answers, summary } = await curlWatched(step);
  printAnswers(out, answers);
  out.line();
  out.line(`  Captured between the nodes (${frameCount(summary)} frames with data):`);
  printPorts(out, summary);
  const [request, response] = summary.readableHttp;
  for (const message of [request, response]) {
    if (message === undefined) continue;
    out.line();
    out.line(`  ${out.paint('yellow', `${renderEndpoint(message.from)} > ${renderEndpoint(message.to)}`)}`);
    for (const line of message.text.split('\r\n')) out.line(`    ${out.paint('red', line)}`);
  }
  out.line();
  claims.check('before: HTTP can be read between the nodes', request !== undefined, () => describePorts(summary));
}

/** Curls in the mesh and shows that nothing but TLS to port 15008 goes between the nodes. */
export async function showTunnelledWire(step: WireStep): Promise<void> {
  const { out, claims, client, evenly } = step;
  const { answers, summary } = await curlWatched(step);
  printAnswers(out, answers);
  const counts = [...countByPod(answers)];
  const even = counts.length === 2 && (!evenly || counts.every(([, count]) => count === answers.length / 2));
  out.line();
  claims.check(
    evenly ? 'after: both replicas answer, in turn' : 'after: both replicas answer',
    even,
    () => `answers: ${counts.map(([pod, count]) => `${pod} ${count}`).join(', ')}`,
  );
  const { pods } = await client.status();
  const address = pods.find((pod) => pod.name === CLIENT_POD)?.address ?? '';
  claims.check(
    `after: the server sees the client's own address, ${address}`,
    answers.every(({ origin }) => origin.startsWith(`${address}:`)),
    () => `it sees ${answers.map(({ origin }) => origin).join(', ')}`,
  );
  out.line();
  out.line(`  Captured between the nodes (${frameCount(summary)} frames with data):`);
  printPorts(out, summary);
  printRecords(out, summary.tlsRecords);
  out.line();
  const readable = TELLTALES.filter((text) => containsText(summary.streams, text));
  claims.check('after: only TLS to port 15008 between the nodes', summary.onlyTunnels, () => describePorts(summary));
  claims.check(
    'after: nothing of the requests can be read',
    readable.length === 0,
    () => `found: ${readable.join(', ')}`,
  );
}

async function curlWatched(step: WireStep): Promise<{ answers: Answer[]; summary: WireSummary }> {
  const { client, requests, evenly } = step;
  const capture = await client.capture(WATCHED_NODE);
  const answers: Answer[] = [];
  const most = evenly ? requests : MAX_REQUESTS;
  while (answers.length < requests || (answers.length < most && countByPod(answers).size < 2))
    answers.push(await curlHttpbin(client, CLIENT_POD));
  return { answers, summary: summarizeWire(await capture.stop()) };
}

function printAnswers(out: Terminal, answers: readonly Answer[]): void {
  for (const { pod, origin } of answers)
    out.line(
      `  ${out.paint('dim', `${CLIENT_POD}$`)} curl http://httpbin/ip   ${out.paint('cyan', pod)} saw ${out.paint('cyan', origin)}`,
    );
}

function printPorts(out: Terminal, summary: WireSummary): void {
  printTable(
    out,
    ['PORT', 'FRAMES', 'BYTES', 'CONTENT'],
    summary.ports.map(({ port, frames, bytes, content }) => [
      String(port),
      String(frames),
      String(bytes),
      out.paint(content === 'tls' ? 'green' : 'red', CONTENT_NAMES[content]),
    ]),
  );
}

function printRecords(out: Terminal, records: readonly TlsRecordHeader[]): void {
  const counts = new Map<string, number>();
  for (const { type, version } of records) {
    const key = `${type} ${version}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const [first] = records;
  if (first === undefined) return;
  out.line();
  out.wrapped(`TLS records by type and version: ${[...counts].map(([name, count]) => `${count} ${name}`).join(', ')}`);
  out.line(`  The first: ${first.type}, version ${first.version}, ${first.bytes} bytes`);
}

function frameCount(summary: WireSummary): number {
  return summary.ports.reduce((sum, { frames }) => sum + frames, 0);
}

function describePorts(summary: WireSummary): string {
  if (summary.ports.length === 0) return 'no data went between the nodes';
  return summary.ports.map(({ port, frames, content }) => `port ${port}: ${frames} frames, ${content}`).join('; ');
}
