import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test, vi } from 'vitest';

const WAIT = { timeout: 30_000, interval: 50 };
const MOST_ANSWERED = 2 ** 24;
// A network of its own: its ports are those of every ztunnel.
const program = 'ip link set lo up && exec "$0" --conditions=@ambientmesh/source "$1" proxy ztunnel';
const main = join(import.meta.dirname, 'main.ts');
const undos: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const undo of undos.splice(0)) await undo();
});

function start(engine: string, environment: Readonly<Record<string, string>> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'ztunnel-engine-'));
  const child = spawn('unshare', ['-n', 'sh', '-c', program, process.execPath, main], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: directory,
    env: {
      ...process.env,
      XDS_ADDRESS: '',
      CA_ADDRESS: 'https://127.0.0.1:1',
      CA_ROOT_CA: join(directory, 'no-such-root.pem'),
      INPOD_UDS: join(directory, 'no-agent.sock'),
      ZTUNNEL_ENGINE: engine,
      ZTUNNEL_WORKER_THREADS: '2',
      ...environment,
    },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exited = once(child, 'exit');
  undos.push(async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(directory, { recursive: true });
  });
  const get = async (url: string): Promise<string> => {
    const curl = ['-t', String(child.pid), '-n', 'curl', '-sf', '--max-time', '10', `127.0.0.1:${url}`];
    return (await promisify(execFile)('nsenter', curl, { maxBuffer: MOST_ANSWERED })).stdout;
  };
  return { child, exited, get, output: () => output };
}

test.each(['reactor', 'node'])(
  '%s: the engine that was asked for is in use, can be looked into, and ends',
  async (engine) => {
    const { child, exited, get, output } = start(engine, { RUST_LOG: 'info,ztunnel::data_thread=debug' });
    await vi.waitFor(
      async () =>
        expect(await get('15020/metrics')).toContain(`ambientmesh_engine_info{engine="${engine}",reason=""} 1\n`),
      WAIT,
    );
    await vi.waitFor(
      async () => expect(await get('15020/metrics')).toContain('ambientmesh_data_thread_stuck{thread="1"} 0\n'),
      WAIT,
    );
    const dump: unknown = JSON.parse(await get('15000/config_dump'));
    expect(dump).toMatchObject({
      dataThreads: [0, 1].map((thread) => ({ thread, engine, reason: '' })),
    });
    const profile: unknown = JSON.parse(await get('15000/debug/profile?thread=1&seconds=1'));
    expect(profile).toMatchObject({ nodes: expect.any(Array), timeDeltas: expect.any(Array) });
    expect(JSON.parse(await get('15000/debug/heap'))).toMatchObject({ used_heap_size: expect.any(Number) });
    expect(output()).not.toContain('cannot be used here');
    expect(output().split(`data threads run on the ${engine} engine`)).toHaveLength(2);
    child.kill('SIGTERM');
    const [code] = await exited;
    expect(code).toBe(0);
  },
  60_000,
);

test.each([
  { koffi: 'none', reason: 'koffi cannot be loaded, is its binary for this platform installed?' },
  { koffi: 'without epoll', reason: 'epoll_create1: ENOSYS' },
])('the reactor does not work ($koffi): the node engine is in use, and log and metric say why once', async (row) => {
  const hooks = new URL('testing/without-koffi.ts', import.meta.url).href;
  const { get, output } = start('reactor', { NODE_OPTIONS: `--import=${hooks}`, ZTUNNEL_TEST_KOFFI: row.koffi });
  const engines = async (): Promise<readonly string[]> =>
    (await get('15020/metrics')).split('\n').filter((line) => line.startsWith('ambientmesh_engine_info'));
  await vi.waitFor(async () => {
    const [first, ...others] = await engines();
    expect([first, others]).toEqual([expect.stringContaining('{engine="node",reason="self-test, reactor: '), []]);
    expect(first).toContain(row.reason);
  }, WAIT);
  await vi.waitFor(() => expect(output()).toContain('cannot be used here'), WAIT);
  const lines = output()
    .split('\n')
    .filter((line) => line.includes('cannot be used here'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/\twarn\tdata_thread\t.*\treason="self-test, reactor: /);
});
