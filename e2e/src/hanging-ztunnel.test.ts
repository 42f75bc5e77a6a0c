import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LabClient } from '@ambientmesh/lab';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestLab } from './lab/start-test-lab.ts';
import { ADDRESS, PORT } from './lab/test-topology.ts';
import { ztunnelOf } from './observed/node-process.ts';
import { PodSockets } from './pods/pod-sockets.ts';

const LAB = fileURLToPath(new URL('../../apps/lab/src/main.ts', import.meta.url));
const POLICY = fileURLToPath(new URL('policies/allow-sleep.yaml', import.meta.url));
/** What curl says of a connection that was reset. */
const RESET = 56;
/** The lab waits 10 s for a ztunnel to take a change, 5 s for one to tell denials; the rest is for a busy machine. */
const MAX_APPLY_MS = 20_000;
const MAX_DENIALS_MS = 15_000;
const ADVICE = '`npx lab ztunnel kill node2` ends it, and another one is started';

let lab: LabClient;
beforeAll(async () => {
  lab = await startTestLab();
});
// A process that is stopped ends by SIGKILL all the same.
afterAll(() => lab?.close());

test('a ztunnel that hangs is named in time, and the other nodes go by the change', async () => {
  await using sleep = new PodSockets(lab, 'sleep');
  const running = await sleep.connect(ADDRESS['httpbin-1'], PORT.echo);
  expect(await running.echo('before')).toBe('before');
  await whileHanging('node2', async () => {
    const applying = command('policy', 'apply', POLICY);
    await lab.waitFor(async () => (await curl('notsleep', 'httpbin-1')) === RESET, { what: 'a denial by node1' });
    expect(await curl('sleep', 'httpbin-1')).toBe(0);
    await lab.waitFor(async () => (await lab.denials('httpbin-1')).length > 0, { what: 'the denial told' });
    expect(await running.echo('meanwhile')).toBe('meanwhile');
    const [applied, all, ofNode1, ofNode2] = await Promise.all([
      applying,
      command('denials'),
      command('denials', 'httpbin-1'),
      command('denials', 'httpbin-2'),
    ]);
    const notTaken = 'ztunnel@node2: has not taken the changed mesh.yaml within 10000 ms; it does not answer';
    expect(applied).toMatchObject({
      status: 1,
      stdout: '',
      stderr: `lab: LAB_ZTUNNEL_NOT_READY: ${notTaken}: ${ADVICE}\n`,
    });
    expect(applied.elapsedMs).toBeLessThan(MAX_APPLY_MS);
    const silent = `LAB_ZTUNNEL_NOT_READY: ztunnel@node2: no answer at http://127.0.0.1:15000/debug/denials in 5 s: ${ADVICE}\n`;
    const told = expect.stringMatching(/ default\/httpbin-1: refused\n/);
    expect(all).toMatchObject({ status: 1, stdout: told, stderr: `lab: warning: ${silent}` });
    expect(ofNode1).toMatchObject({ status: 0, stdout: told, stderr: '' });
    expect(ofNode2).toMatchObject({ status: 1, stdout: '', stderr: `lab: ${silent}` });
    for (const { elapsedMs } of [all, ofNode1, ofNode2]) expect(elapsedMs).toBeLessThan(MAX_DENIALS_MS);
    expect(await command('policy', 'list')).toMatchObject({
      stdout: expect.stringMatching(/httpbin +ALLOW +2 +0 +not confirmed by every node\n/),
    });
  });
  // It goes on, and then goes by the change; the same can be asked for again.
  expect(await command('policy', 'apply', POLICY)).toMatchObject({ status: 0, stderr: '' });
  expect(await lab.policies()).toMatchObject([{ object: 'AuthorizationPolicy/default/httpbin', confirmed: true }]);
  expect([await curl('sleep', 'httpbin-2'), await curl('notsleep', 'httpbin-2')]).toEqual([0, RESET]);
  expect(await ztunnelOf(lab, 'node2')).toMatchObject({ starts: 1 });
  expect(await running.echo('after')).toBe('after');
  await running.end();
});

test('what the message advises helps: the next ztunnel goes by what the one that hung has missed', async () => {
  await whileHanging('node2', async () => {
    expect(await command('ztunnel', 'kill', 'node2')).toMatchObject({ status: 0, stderr: '' });
  });
  const deleted = await command('policy', 'delete', 'ap/default/httpbin');
  expect(deleted).toMatchObject({ status: 0, stdout: 'AuthorizationPolicy/default/httpbin deleted\n' });
  await lab.waitFor(async () => (await curl('notsleep', 'httpbin-2')) === 0, { what: 'a connection through node2' });
  expect(await ztunnelOf(lab, 'node2')).toMatchObject({ running: true, restarts: 1, lastExit: 'SIGKILL' });
});

/** Stops a node's ztunnel where it is while `work` goes on; whichever runs then goes on. */
async function whileHanging(node: string, work: () => Promise<void>): Promise<void> {
  const { pid } = await ztunnelOf(lab, node);
  await lab.signalZtunnel(node, 'SIGSTOP');
  try {
    await lab.waitFor(async () => /^State:\s+T/m.test(await statusOf(node, pid)), { what: `ztunnel@${node} stopped` });
    await work();
  } finally {
    await lab.signalZtunnel(node, 'SIGCONT');
  }
}

async function statusOf(node: string, pid: number | undefined): Promise<string> {
  return (await lab.exec(node, ['cat', `/proc/${pid}/status`])).stdout;
}

async function curl(from: 'sleep' | 'notsleep', to: 'httpbin-1' | 'httpbin-2'): Promise<number> {
  const url = `http://${ADDRESS[to]}:${PORT.http}/ip`;
  return (await lab.exec(from, ['curl', '-sS', '-o', '/dev/null', '-m', '5', url])).code;
}

interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsedMs: number;
}

/** The command line of the lab, of this lab; others may run meanwhile. */
function command(...words: readonly string[]): Promise<CommandResult> {
  const began = performance.now();
  const args = ['--conditions=@ambientmesh/source', LAB, ...words, '--name', lab.name];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 40_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : Number(error.code ?? -1);
      resolve({ status, stdout, stderr, elapsedMs: performance.now() - began });
    });
  });
}
