import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_TOPOLOGY, type LabClient, parseTopology, startLab } from '@ambientmesh/lab';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestLab, uniqueLabName } from './lab/start-test-lab.ts';
import { ADDRESS, PORT } from './lab/test-topology.ts';
import { ztunnelOf } from './observed/node-process.ts';
import { PodSockets } from './pods/pod-sockets.ts';

const OWN_ZTUNNEL = fileURLToPath(new URL('../../apps/ztunnel/src/main.ts', import.meta.url));
const SOURCE_CONDITION = '--conditions=@ambientmesh/source';

let lab: LabClient;
beforeAll(async () => {
  lab = await startTestLab({ enrol: false });
});
afterAll(() => lab?.close());

test('a pod in which a port of the mesh is taken is not enrolled, the others are', async () => {
  await using application = new PodSockets(lab, 'notsleep');
  await application.listen(15_008);
  await expect(lab.enrol('sleep', 'notsleep', 'httpbin-1', 'httpbin-2')).rejects.toMatchObject({
    code: 'LAB_ENROL_FAILED',
    message: expect.stringMatching(/notsleep.*15008.*(EADDRINUSE|in use)/),
  });
  const { pods } = await lab.status();
  expect(pods.filter(({ enrolled }) => enrolled).map(({ name }) => name)).toEqual(['sleep', 'httpbin-1', 'httpbin-2']);
  expect(await hostname('sleep')).toBe('httpbin-2\n');
  // Not half enrolled: its traffic goes its own way.
  expect(await hostname('notsleep')).toBe('httpbin-2\n');
  expect((await lab.exec('notsleep', ['iptables-save'])).stdout).not.toContain('ISTIO');
});

test('when the port is free again the pod can be enrolled', async () => {
  await lab.enrol('notsleep');
  expect((await lab.status()).pods.find(({ name }) => name === 'notsleep')).toMatchObject({ enrolled: true });
  expect(await hostname('notsleep')).toBe('httpbin-2\n');
});

test('a pod whose namespace has vanished is named, the others go on', async () => {
  expect((await lab.exec('node2', ['umount', '/run/netns/outside'])).code).toBe(0);
  await expect(lab.enrol('outside')).rejects.toMatchObject({
    code: 'LAB_ENROL_FAILED',
    message: expect.stringMatching(/outside/),
  });
  expect(await hostname('sleep')).toBe('httpbin-2\n');
  expect(await ztunnelOf(lab, 'node1')).toMatchObject({ running: true, restarts: 0 });
  expect(await ztunnelOf(lab, 'node2')).toMatchObject({ running: true, restarts: 0 });
});

test('names that are not there are told with those that are', async () => {
  await expect(lab.enrol('nobody')).rejects.toMatchObject({
    code: 'LAB_NAME_UNKNOWN',
    message: expect.stringMatching(/^nobody: .*sleep.*httpbin-1/),
  });
  await expect(lab.metrics('node9')).rejects.toMatchObject({ code: 'LAB_NAME_UNKNOWN' });
  await expect(lab.log('ztunnel@node9')).rejects.toMatchObject({ code: 'LAB_NAME_UNKNOWN' });
});

test('a ztunnel that cannot start is told in one line, and the lab is gone', async () => {
  const starting = startLab({
    name: uniqueLabName(),
    environment: process.env,
    ztunnelEnvironment: { ZTUNNEL_WORKER_THREADS: 'many' },
  });
  await expect(starting).rejects.toMatchObject({
    code: 'LAB_ZTUNNEL_NOT_READY',
    message: expect.stringMatching(/^ztunnel@node[12]: .*ZTUNNEL_WORKER_THREADS=many/),
  });
});

test('a topology says everything that is wrong with it', () => {
  const [first, ...rest] = DEFAULT_TOPOLOGY.pods;
  const bad = { ...DEFAULT_TOPOLOGY, pods: [{ ...first, node: 'node9', address: '10.244.1.999' }, ...rest], extra: 1 };
  expect(() => parseTopology(JSON.stringify(bad))).toThrow(/extra.*10\.244\.1\.999.*node9/);
});

test.each([
  { title: 'mode', variables: { PROXY_MODE: 'sideways' }, says: /PROXY_MODE=sideways/ },
  { title: 'switch', variables: { IPV6_ENABLED: 'maybe' }, says: /IPV6_ENABLED=maybe/ },
  {
    title: 'number',
    variables: { POOL_MAX_STREAMS_PER_CONNECTION: 'ten' },
    says: /POOL_MAX_STREAMS_PER_CONNECTION=ten/,
  },
  { title: 'mark', variables: { PACKET_MARK: '0x539' }, says: /PACKET_MARK=0x539/ },
  { title: 'address', variables: { CA_ADDRESS: '' }, says: /CA_ADDRESS/ },
])('ztunnel refuses a bad $title of its environment in one line', ({ variables, says }) => {
  expect(refusedStart({ ...variables })).toEqual({ status: 1, stderr: oneLineThat(says) });
});

test.each([
  {
    title: 'an address that is none',
    text: workload('workloadIps: [10.1.2.999]'),
    says: /workloads\[0\]: invalid IP address/,
  },
  {
    title: 'a key nobody knows',
    text: workload('workloadIps: [10.1.2.3], colour: red'),
    says: /workloads\[0\].*colour/,
  },
  {
    title: 'a protocol nobody knows',
    text: workload('workloadIps: [10.1.2.3], protocol: UDP'),
    says: /workloads\[0\].*UDP/,
  },
  { title: 'text that is no YAML', text: 'workloads: [', says: / / },
])('ztunnel refuses a local configuration with $title in one line', ({ text, says }) => {
  const directory = mkdtempSync(join(tmpdir(), 'ambientmesh-e2e-'));
  try {
    const path = join(directory, 'mesh.yaml');
    writeFileSync(path, text);
    expect(refusedStart({ LOCAL_XDS_PATH: path })).toEqual({ status: 1, stderr: oneLineThat(says) });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

async function hostname(from: string): Promise<string> {
  const url = `http://${ADDRESS['httpbin-2']}:${PORT.http}/hostname`;
  return (await lab.exec(from, ['curl', '-sS', url])).stdout;
}

function workload(rest: string): string {
  return `workloads: [{uid: a, name: a, namespace: default, serviceAccount: a, services: {}, ${rest}}]\n`;
}

function oneLineThat(says: RegExp): unknown {
  return expect.stringMatching(new RegExp(`^Error: .*${says.source}.*\\n$`));
}

/** Starts a ztunnel in a network namespace of its own, that is to refuse: its exit code and what it says. */
function refusedStart(variables: Readonly<Record<string, string>>): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(
    'unshare',
    ['--net', '--', process.execPath, SOURCE_CONDITION, OWN_ZTUNNEL, 'proxy', 'ztunnel'],
    {
      encoding: 'utf8',
      timeout: 10_000,
      env: {
        PATH: process.env['PATH'],
        XDS_ADDRESS: '',
        CA_ADDRESS: 'https://127.0.0.1:1',
        INPOD_UDS: '/nonexistent/ztunnel.sock',
        ...variables,
      },
    },
  );
  return { status, stderr };
}
