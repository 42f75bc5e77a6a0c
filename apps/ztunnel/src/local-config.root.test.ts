import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

const WAIT = { timeout: 20_000, interval: 50 };
/** A dump of a large configuration has some MiB. */
const MOST_ANSWERED = 2 ** 26;

const directory = mkdtempSync(join(tmpdir(), 'ztunnel-reload-'));
const path = join(directory, 'mesh.yaml');

/** As `lab` and others write it: renamed into place. Returns the hash that the metric is to show. */
function put(text: string): string {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
  return createHash('sha256').update(text).digest('hex');
}

const workload = (name: string, account: string, policies = ''): string =>
  `- {uid: c//Pod/d/${name}, name: ${name}, namespace: d, serviceAccount: ${account}, trustDomain: td, workloadIps: [10.0.0.1], node: n1, protocol: HBONE, services: {}, authorizationPolicies: [${policies}]}\n`;
const policy = (name: string, action = 'Allow'): string =>
  `- {name: ${name}, namespace: d, scope: WorkloadSelector, action: ${action}, dryRun: false, rules: []}\n`;

const first = `workloads:\n${workload('a', 'sa-a', 'd/p')}policies:\n${policy('p')}`;
const second = `workloads:\n${workload('b', 'sa-b', 'd/gone')}policies:\n${policy('p', 'Deny')}${policy('q')}`;

// A network of its own: its ports are those of every ztunnel.
const start = 'ip link set lo up && exec "$0" --conditions=@ambientmesh/source "$1" proxy ztunnel';
const main = join(import.meta.dirname, 'main.ts');
let child: ReturnType<typeof spawn>;
let output = '';

beforeAll(async () => {
  const hash = put(first);
  child = spawn('unshare', ['-n', 'sh', '-c', start, process.execPath, main], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: directory,
    env: {
      ...process.env,
      XDS_ADDRESS: '',
      CA_ADDRESS: 'https://127.0.0.1:1',
      CA_ROOT_CA: join(directory, 'no-such-root.pem'),
      NODE_NAME: 'n1',
      INPOD_UDS: join(directory, 'no-agent.sock'),
      LOCAL_XDS_PATH: path,
      ZTUNNEL_WORKER_THREADS: '2',
    },
  });
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await inForce(hash);
}, 30_000);

afterAll(async () => {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  rmSync(directory, { recursive: true });
});

async function get(url: string, fail = '-f'): Promise<string> {
  const curl = ['curl', '-s', fail, '--max-time', '5', `127.0.0.1:${url}`];
  return (await promisify(execFile)('nsenter', ['-t', String(child.pid), '-n', ...curl], { maxBuffer: MOST_ANSWERED }))
    .stdout;
}

async function inForce(hash: string): Promise<void> {
  await vi.waitFor(
    async () => expect(await get('15020/metrics')).toContain(`ambientmesh_local_config_info{sha256="${hash}"} 1\n`),
    WAIT,
  );
}

interface Dump {
  readonly policies: readonly { readonly name: string; readonly action: string }[];
  readonly workloads: readonly { readonly name: string }[];
  readonly certificates: readonly { readonly identity: string }[];
}

async function dump(): Promise<unknown> {
  const { policies, workloads, certificates }: Dump = JSON.parse(await get('15000/config_dump'));
  return {
    policies: policies.map(({ name, action }) => `${action} ${name}`),
    workloads: workloads.map(({ name }) => name),
    certificates: certificates.map(({ identity }) => identity),
  };
}

test('a process goes from one version of its file to the next, with the certificates of its workloads', async () => {
  await vi.waitFor(
    async () =>
      expect(await dump()).toEqual({
        policies: ['Allow p'],
        workloads: ['a'],
        certificates: ['spiffe://td/ns/d/sa/sa-a'],
      }),
    WAIT,
  );
  const hash = put(second);
  await inForce(hash);
  expect(await dump()).toEqual({
    policies: ['Deny p', 'Allow q'],
    workloads: ['b'],
    certificates: ['spiffe://td/ns/d/sa/sa-b'],
  });
  expect(await get('15000/debug/policies')).toMatch(/\nMISSING +NAMED BY.*\nd\/gone +d\/b\n/);
  expect(await get('15000/debug/denials')).toBe('no connection has been denied\n');
  expect(output).toContain(
    'local config reloaded\tnum_workloads=1 num_policies=2 policies="~d/p +d/q" other_changes=2',
  );

  put(second.replace('action: Deny', 'action: Forbid'));
  await vi.waitFor(
    async () => expect(await get('15020/metrics')).toContain('ambientmesh_local_config_refused 1\n'),
    WAIT,
  );
  await inForce(hash);
  const message = 'policies[0].action: unknown variant `Forbid`, expected `Allow` or `Deny` at line 4 column 60';
  expect(output).toContain(
    `local config is refused; the last good version stays in force\tpath="${path}" error="${message}"`,
  );
  expect(await get('15000/debug/policies')).toContain(`the version above stays in force: ${message}\n`);
  expect(await dump()).toMatchObject({ policies: ['Deny p', 'Allow q'] });

  await inForce(put(first));
  expect(await get('15020/metrics')).toContain('ambientmesh_local_config_refused 0\n');
  expect(await dump()).toMatchObject({ policies: ['Allow p'], workloads: ['a'] });
}, 60_000);

test('of many versions in a row the last one is in force', async () => {
  const hashes = Array.from({ length: 50 }, (_, n) => put(`policies:\n${policy(`p${n}`)}`));
  await inForce(hashes.at(-1) ?? '');
  expect(await dump()).toMatchObject({ policies: ['Allow p49'], workloads: [] });
}, 60_000);

test('a large file is read while probes are answered', async () => {
  const rule = '[[{principals: [!Exact td/ns/d/sa/x], sourceIps: [10.0.0.0/24], destinationPorts: [8080]}]]';
  const policies = Array.from({ length: 1500 }, (_, n) =>
    policy(`p${n}`).replace('rules: []', `rules: [${rule}, ${rule}, ${rule}]`),
  );
  const reading = new AbortController();
  const done = inForce(put(`policies:\n${policies.join('')}`)).finally(() => reading.abort());
  // Not ready without a node agent; that there is an answer is what counts.
  while (!reading.signal.aborted) await get('15021/healthz/ready', '-S');
  await done;
  expect(await dump()).toMatchObject({ policies: { length: 1500 } });
  await inForce(put(first));
}, 60_000);
