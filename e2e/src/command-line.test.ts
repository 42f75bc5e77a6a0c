import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { attachLab } from '@ambientmesh/lab';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { uniqueLabName } from './lab/start-test-lab.ts';
import {
  hasStateDirectory,
  type MachineState,
  machineState,
  pidNamespaceOf,
  processesIn,
  traces,
} from './lab/traces.ts';

const LAB = fileURLToPath(new URL('../../apps/lab/src/main.ts', import.meta.url));
const SOURCE_CONDITION = '--conditions=@ambientmesh/source';
/** Five seconds on a quiet machine; four times as many on one with ten processes for each core. */
const MAX_DEMO_MS = 60_000;
const COLUMNS = 80;

let before: MachineState;
let name: string;
beforeAll(() => {
  before = machineState();
  name = uniqueLabName();
});
afterAll(() => {
  lab('down', '--name', name);
});

test('the demo tells its story in plain text of 80 columns and leaves nothing behind', () => {
  const began = performance.now();
  const { status, stdout, stderr } = lab('demo', '--name', uniqueLabName());
  expect(performance.now() - began).toBeLessThan(MAX_DEMO_MS);
  expect(stdout.split('\n').filter((line) => /✘|undefined|NaN|\[object/.test(line))).toEqual([]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).not.toContain('\u001b');
  for (const claim of [
    /before: HTTP can be read/,
    /the same processes/,
    /only TLS to port 15008/,
    /the client's own address/,
  ])
    expect(stdout).toMatch(claim);
  // Long rules are broken over lines.
  expect(stdout.replaceAll(/\s+/g, ' ')).toContain('-j TPROXY --on-port 15006');
  expect(stdout).toContain('spiffe://cluster.local/ns/default/sa/sleep');
  // Tables and texts fit; what is quoted, logs and rules, need not.
  const own = stdout.split('\n').filter((line) => !/ISTIO|src\.|dst\./.test(line));
  expect(own.filter((line) => Array.from(line).length > COLUMNS)).toEqual([]);
  expect(traces(before)).toEqual([]);
});

test('a lab that is kept lives on when the command that started it has ended', async () => {
  const { status, stdout, stderr } = lab('up', '--keep', '--name', name, '--policies', policyFile('permissive'));
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.not.stringContaining('Error') });
  expect(stdout).toMatch(/PeerAuthentication\/istio-system\/default +PERMISSIVE +4 +0 +in force\n/);
  expect(lab('exec', '--name', name, 'sleep', '--', 'curl', '-sS', 'http://httpbin/hostname').stdout).toMatch(
    /^httpbin-[12]\n$/,
  );
  expect(lab('status', '--name', name).stdout).toMatch(/sleep +node1 +10\.244\.1\.10/);
});

test.each([
  { argv: ['true'], status: 0 },
  { argv: ['sh', '-c', 'exit 42'], status: 42 },
  { argv: ['sh', '-c', 'kill -9 $$'], status: 137 },
  { argv: ['no-such-command'], status: 127 },
])('lab exec sleep -- $argv ends with $status', ({ argv, status }) => {
  expect(lab('exec', '--name', name, 'sleep', '--', ...argv).status).toBe(status);
});

test('a connection that the other end refuses ends as curl sees it: reset, or closed if it had said nothing yet', () => {
  const { status } = lab('exec', '--name', name, 'sleep', '--', 'curl', '-sS', 'http://10.244.2.20:1/');
  expect([52, 56]).toContain(status);
});

test('lab policy applies, lists and removes policies, and each takes effect before it returns', async () => {
  const file = policyFile('allow-sleep');
  const curl = () => lab('exec', '--name', name, 'notsleep', '--', 'curl', '-sS', 'http://httpbin/ip').status;
  const applied = lab('policy', 'apply', '--name', name, file);
  expect(applied).toEqual({ status: 0, stdout: 'AuthorizationPolicy/default/httpbin created\n', stderr: '' });
  expect(curl()).toBe(56);
  const told = () => expect(lab('denials', '--name', name).stdout).toMatch(/ default\/httpbin-[12]: refused\n/);
  await vi.waitFor(told, { timeout: 10_000 });
  const malformed = readFileSync(file, 'utf8').replace('ALLOW', 'PERMIT');
  const refused = labFed(malformed, 'policy', 'apply', '--name', name, '-');
  expect(refused).toMatchObject({ status: 1, stdout: '' });
  expect(refused.stderr).toMatch(
    /^lab: LAB_POLICY_INVALID: 1 of 1 policies refused\nstdin:11:11: AuthorizationPolicy\/default\/httpbin: spec\.action: .*\n.*: its previous version stays in force\n$/,
  );
  expect(lab('policy', 'list', '--name', name).stdout).toMatch(/httpbin +ALLOW +2 +0 +previous version in force\n/);
  const deleted = lab('policy', 'delete', '--name', name, 'ap/default/httpbin');
  expect(deleted).toEqual({ status: 0, stdout: 'AuthorizationPolicy/default/httpbin deleted\n', stderr: '' });
  expect(curl()).toBe(0);
});

test('mistakes are told in one line with a code', () => {
  const unknownPod = lab('exec', '--name', name, 'nobody', '--', 'true');
  expect(unknownPod.status).toBe(1);
  expect(unknownPod.stderr).toMatch(/^lab: LAB_NAME_UNKNOWN: nobody: .*\n$/);
  const unknownLab = lab('exec', '--name', 'no-such-lab', 'sleep', '--', 'true');
  expect(unknownLab.status).toBe(1);
  expect(unknownLab.stderr).toMatch(/^lab: LAB_NOT_RUNNING: .*\n$/);
  const taken = lab('up', '--keep', '--name', name);
  expect(taken.status).toBe(1);
  expect(taken.stderr).toMatch(/LAB_ALREADY_RUNNING: lab e2e-.*\n$/);
});

test('lab down leaves nothing behind', async () => {
  await using client = await attachLab(name, process.env);
  const pidNamespace = pidNamespaceOf(client.initPid) ?? '';
  expect(processesIn(pidNamespace).length).toBeGreaterThan(5);
  expect(lab('down', '--name', name).status).toBe(0);
  expect(processesIn(pidNamespace)).toEqual([]);
  expect(hasStateDirectory(name)).toBe(false);
  expect(traces(before)).toEqual([]);
});

function policyFile(policy: string): string {
  return fileURLToPath(new URL(`policies/${policy}.yaml`, import.meta.url));
}

function lab(...words: readonly string[]) {
  return labFed('', ...words);
}

/** The same with something to read on standard input. */
function labFed(input: string, ...words: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SOURCE_CONDITION, LAB, ...words], {
    encoding: 'utf8',
    input,
    timeout: 40_000,
  });
  return { status, stdout, stderr };
}
