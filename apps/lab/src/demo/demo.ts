import { showStatus } from '../cli/show-status.ts';
import type { Terminal } from '../cli/terminal.ts';
import { type LabOptions, launchLab, type StartedLab } from '../client/start-lab.ts';
import { LAB_COMMAND } from '../command-name.ts';
import type { LabStatus } from '../control-protocol.ts';
import { messageOf } from '../errors.ts';
import { Claims } from './claims.ts';
import { compareHostState, type HostState, readHostState } from './host-state.ts';
import { type InsideStep, showAccessLogs, showCertificates, showRules, showSockets } from './inside-steps.ts';
import { showPolicy } from './policy-step.ts';
import { showPlainWire, showTunnelledWire } from './wire-steps.ts';

const PLAIN_REQUESTS = 2;
const TUNNELLED_REQUESTS = 4;

/** How to show the demo. */
export interface DemoOptions {
  readonly lab: LabOptions;
  readonly out: Terminal;
  /** Leave the lab running if all went well. */
  readonly keep: boolean;
}

/** Starts a lab, shows what the mesh does, ends it. Returns whether every claim held. Throws what `launchLab` throws. */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const { out } = options;
  const begunMs = performance.now();
  const before = readHostState();
  const claims = new Claims(out);
  const started = await launch(options);
  let kept = false;
  try {
    await showEverything(options, started, claims);
    checkHost(claims, before, 'is up');
    if (options.keep) {
      await started.keep();
      kept = true;
    }
  } finally {
    if (kept) started.client.disconnect();
    else await started.client.close();
  }
  out.heading('Summary');
  claims.printSummary();
  if (!kept) checkHost(claims, before, 'has been removed');
  out.line();
  out.line(out.paint('dim', `  ${seconds(begunMs)} s in all.`));
  if (kept) printHints(options);
  return claims.allHold;
}

async function launch({ lab, out }: DemoOptions): Promise<StartedLab> {
  const begunMs = performance.now();
  let announced = false;
  // Not before: where no lab can be started, that is all there is to say.
  const onStep = (step: string): void => {
    if (!announced) announce(out);
    announced = true;
    lab.onStep?.(step);
  };
  const started = await launchLab({ ...lab, enrol: false, onStep });
  await showStatus(out, started.client);
  out.line();
  out.line(out.paint('dim', `  Up in ${seconds(begunMs)} s, in namespaces nobody else sees.`));
  return started;
}

function announce(out: Terminal): void {
  out.line(out.paint('bold', 'Two pods talk through mutual TLS and do not know it'));
  out.heading('1  Two nodes, four pods: network namespaces of this machine');
}

async function showEverything(options: DemoOptions, { client }: StartedLab, claims: Claims): Promise<void> {
  const { out, lab } = options;
  const inside = { client, out, claims };
  const wire = { ...inside, requests: TUNNELLED_REQUESTS, evenly: lab.ztunnel === undefined };
  const steps: readonly (readonly [title: string, show: () => Promise<void>])[] = [
    ['Before: plain text', () => showPlainWire({ ...inside, requests: PLAIN_REQUESTS, evenly: true })],
    ['Enrolment: no restart', () => showEnrolment(inside)],
    ['After: mutual TLS', () => showTunnelledWire(wire)],
    ['What the ztunnels say', () => showAccessLogs(inside)],
    ['Sockets in the pod sleep', () => showSockets(inside)],
    ['Firewall of the pod sleep: iptables-save', () => showRules(inside)],
    ['Certificates', () => showCertificates(inside)],
    ['Who may talk to whom: a policy', () => showPolicy({ ...inside, own: lab.ztunnel === undefined })],
  ];
  for (const [index, [title, show]] of steps.entries()) {
    lab.signal?.throwIfAborted();
    out.heading(`${index + 2}  ${title}`);
    try {
      await show();
    } catch (error) {
      lab.signal?.throwIfAborted();
      claims.check(`${title}: could not be shown`, false, () => messageOf(error));
    }
  }
}

async function showEnrolment({ client, out, claims }: InsideStep): Promise<void> {
  const before = await client.status();
  const begunMs = performance.now();
  await client.enrol(...before.pods.map((pod) => pod.name));
  const tookMs = Math.round(performance.now() - begunMs);
  const after = await client.status();
  printProcesses(out, before, after);
  out.line(out.paint('dim', `  ${after.pods.length} pods taken over in ${tookMs} ms.`));
  out.line();
  claims.check('enrolled without a restart: the same processes', samePids(before, after), () =>
    after.pods.map(({ name, process }) => `${name} ${pidIn(before, name)} -> ${process.pid}`).join(', '),
  );
}

function checkHost(claims: Claims, before: HostState, when: string): void {
  const differences = compareHostState(before, readHostState());
  claims.check(`this machine's own network is as before: the lab ${when}`, differences.length === 0, () =>
    differences.join('; '),
  );
}

function printProcesses(out: Terminal, before: LabStatus, after: LabStatus): void {
  for (const { name, process, enrolled } of after.pods)
    out.line(
      `  ${name.padEnd(12)} pid ${String(pidIn(before, name)).padStart(5)} -> ${String(process.pid).padStart(5)}   ${
        enrolled ? out.paint('green', 'enrolled') : out.paint('red', 'not enrolled')
      }`,
    );
}

function pidIn(status: LabStatus, pod: string): number | undefined {
  return status.pods.find(({ name }) => name === pod)?.process.pid;
}

function samePids(before: LabStatus, after: LabStatus): boolean {
  return after.pods.every(
    ({ name, process, enrolled }) => enrolled && process.running && process.pid === pidIn(before, name),
  );
}

function printHints({ out }: DemoOptions): void {
  out.line();
  out.line('  The lab is still running:');
  for (const command of ['exec sleep -- curl httpbin', 'status', 'logs', 'down'])
    out.line(`    ${LAB_COMMAND} ${command}`);
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1_000).toFixed(1);
}
