import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { attachLab, endLab, type LabClient, startLab } from '@ambientmesh/lab';
import { beforeAll, expect, test, vi } from 'vitest';
import { startTestLab, uniqueLabName } from './lab/start-test-lab.ts';
import type { StarterReport } from './lab/starter.ts';
import { ADDRESS, PORT } from './lab/test-topology.ts';
import {
  hasStateDirectory,
  type MachineState,
  machineState,
  pidNamespaceOf,
  processesIn,
  traces,
} from './lab/traces.ts';

const STARTER = fileURLToPath(new URL('lab/starter.ts', import.meta.url));
const SOURCE_CONDITION = '--conditions=@ambientmesh/source';
const NOBODY = 65_534;
/** As many captures as a lab runs at once. */
const MAX_CAPTURES = 8;

let before: MachineState;
beforeAll(() => {
  before = machineState();
});

test('a lab that runs changes nothing of the machine, and is gone without a trace when it is closed', async () => {
  const lab = await startTestLab();
  const pidNamespace = namespaceOf(lab);
  expect(traces(before)).toEqual([]);
  await lab.close();
  expect(await remains(lab.name, pidNamespace)).toEqual([]);
});

test('a lab ended from another client is gone without a trace', async () => {
  const lab = await startTestLab();
  const pidNamespace = namespaceOf(lab);
  await endLab(lab.name, process.env);
  await lab.close();
  expect(await remains(lab.name, pidNamespace)).toEqual([]);
  await expect(attachLab(lab.name, process.env)).rejects.toMatchObject({ code: 'LAB_NOT_RUNNING' });
});

test('captures end with the client that began them, and only so many run at once', async () => {
  await using lab = await startTestLab({ mesh: false });
  const other = await attachLab(lab.name, process.env);
  const kept = await lab.capture('node1');
  const begun = [];
  for (let count = 2; count <= MAX_CAPTURES; count += 1) begun.push(await other.capture('sleep'));
  await expect(lab.capture('node2')).rejects.toMatchObject({ code: 'LAB_TOO_MANY_CAPTURES' });
  await begun[0]?.stop();
  begun.push(await other.capture('sleep'));
  await expect(lab.capture('node2')).rejects.toMatchObject({ code: 'LAB_TOO_MANY_CAPTURES' });
  other.disconnect();
  await expect.poll(() => lab.capture('node2').catch((error: unknown) => error)).toHaveProperty('stop');
  await lab.exec('sleep', ['curl', '-sS', `http://${ADDRESS['httpbin-2']}:${PORT.http}/hostname`]);
  expect((await kept.stop()).length).toBeGreaterThan(0);
});

test('kill -9 of the supervisor takes everything with it', async () => {
  const lab = await startTestLab();
  const pidNamespace = namespaceOf(lab);
  const supervisor = processesIn(pidNamespace).find((pid) => commandOf(pid).includes('supervisor/main.ts'));
  process.kill(supervisor ?? 0, 'SIGKILL');
  await expect.poll(() => lab.status().catch((error: unknown) => error)).toMatchObject({ code: 'LAB_CLOSED' });
  await lab.close();
  expect(await remains(lab.name, pidNamespace)).toEqual([]);
});

test('kill -9 of the first process takes everything with it', async () => {
  const lab = await startTestLab();
  const pidNamespace = namespaceOf(lab);
  process.kill(lab.initPid, 'SIGKILL');
  await lab.close();
  expect(await remains(lab.name, pidNamespace)).toEqual([]);
});

test('kill -9 of the program that started the lab takes everything with it', async () => {
  const name = uniqueLabName();
  const starter = spawn(process.execPath, [SOURCE_CONDITION, STARTER, name], { stdio: ['pipe', 'pipe', 'inherit'] });
  const { initPid } = await reportOf(starter);
  const pidNamespace = pidNamespaceOf(initPid) ?? '';
  expect(processesIn(pidNamespace).length).toBeGreaterThan(5);
  starter.kill('SIGKILL');
  expect(await remains(name, pidNamespace)).toEqual([]);
});

test('an ordinary user has a lab where the kernel lets him', async ({ skip }) => {
  const asNobody = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', '--'];
  const allowed =
    spawnSync('setpriv', [...asNobody, 'unshare', '--user', '--map-root-user', '--net', 'true']).status === 0;
  if (!allowed) skip('this kernel lets ordinary users make no user namespaces');
  const directory = mkdtempSync(join(tmpdir(), 'ambientmesh-e2e-'));
  try {
    chownSync(directory, NOBODY, NOBODY);
    chmodSync(directory, 0o700);
    const url = `http://${ADDRESS['httpbin-2']}:${PORT.http}/ip`;
    const starter = spawn(
      'setpriv',
      [...asNobody, process.execPath, SOURCE_CONDITION, STARTER, 'ordinary', 'curl', '-sS', url],
      { stdio: ['pipe', 'pipe', 'inherit'], env: { PATH: process.env['PATH'], TMPDIR: directory, HOME: directory } },
    );
    const ended = new Promise((resolve) => starter.once('exit', resolve));
    const { initPid, output } = await reportOf(starter);
    const pidNamespace = pidNamespaceOf(initPid) ?? '';
    expect(JSON.parse(output)).toMatchObject({ pod: 'httpbin-2' });
    expect(JSON.parse(output).origin).toMatch(`${ADDRESS.sleep}:`);
    starter.stdin?.end();
    expect(await ended).toBe(0);
    await expect.poll(() => processesIn(pidNamespace)).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('two labs of different names run side by side, and the name of one that runs is taken', async () => {
  await using one = await startTestLab();
  await using other = await startTestLab();
  const url = `http://${ADDRESS['httpbin-2']}:${PORT.http}/hostname`;
  const answers = await Promise.all([one, other].map((lab) => lab.exec('sleep', ['curl', '-sS', url])));
  expect(answers.map(({ stdout }) => stdout)).toEqual(['httpbin-2\n', 'httpbin-2\n']);
  await expect(startLab({ name: one.name, mesh: false, environment: process.env })).rejects.toMatchObject({
    code: 'LAB_ALREADY_RUNNING',
  });
  await one.close();
  expect((await other.exec('sleep', ['curl', '-sS', url])).stdout).toBe('httpbin-2\n');
});

test('what a command in a pod does with its exit code, input and output is what the caller gets', async () => {
  await using lab = await startTestLab({ mesh: false });
  const script = 'cat; echo told >&2; exit 42';
  expect(await lab.exec('sleep', ['sh', '-c', script], { input: 'given' })).toMatchObject({
    code: 42,
    stdout: 'given',
    stderr: 'told\n',
  });
  expect(await lab.exec('sleep', ['true'])).toMatchObject({ code: 0, stdout: '', stderr: '' });
  expect(await lab.exec('sleep', ['sh', '-c', 'kill -9 $$'])).toMatchObject({ code: 137 });
  expect(await lab.exec('sleep', ['no-such-command'])).toMatchObject({ code: 127 });
  expect(await lab.exec('sleep', ['/etc/hosts'])).toMatchObject({ code: 126 });
  const nowhere = async (): Promise<unknown> => lab.exec('no-such-pod', ['true']);
  await expect(nowhere()).rejects.toMatchObject({ code: 'LAB_NAME_UNKNOWN' });
  await expect(lab.exec('sleep', ['sleep', '60'], { timeoutMs: 100 })).rejects.toMatchObject({ code: 'LAB_TIMEOUT' });
});

/** What is left of a lab when it has had the time to end: processes, files, anything else; nothing, one hopes. */
async function remains(name: string, pidNamespace: string): Promise<readonly (string | number)[]> {
  const look = (): readonly (string | number)[] => [
    ...processesIn(pidNamespace),
    ...(hasStateDirectory(name) ? [`state directory of ${name}`] : []),
    ...traces(before),
  ];
  await vi.waitUntil(() => look().length === 0, { timeout: 10_000 }).catch(() => undefined);
  return look();
}

function namespaceOf(lab: LabClient): string {
  const pidNamespace = pidNamespaceOf(lab.initPid) ?? '';
  expect(processesIn(pidNamespace).length).toBeGreaterThan(5);
  return pidNamespace;
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
}

async function reportOf(starter: ChildProcess): Promise<StarterReport> {
  if (starter.stdout === null) throw new Error('no pipe from the starter');
  for await (const line of createInterface({ input: starter.stdout })) {
    const report: StarterReport = JSON.parse(line);
    return report;
  }
  throw new Error('the starter said nothing');
}
