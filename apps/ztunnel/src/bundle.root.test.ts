import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test, vi } from 'vitest';

const app = join(import.meta.dirname, '..');
// A network of its own: its ports are those of every ztunnel.
const command = 'ip link set lo up && exec "$0" bundle/main.mjs proxy ztunnel';

test('the bundle starts its data threads, on the reactor, and ends', async () => {
  execFileSync('npm', ['run', 'bundle'], { cwd: app, stdio: ['ignore', 'ignore', 'inherit'] });
  const directory = mkdtempSync(join(tmpdir(), 'ztunnel-bundle-'));
  const child = spawn('unshare', ['-n', 'sh', '-c', command, process.execPath], {
    cwd: app,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      XDS_ADDRESS: '',
      CA_ADDRESS: 'https://127.0.0.1:1',
      CA_ROOT_CA: join(directory, 'no-such-root.pem'),
      INPOD_UDS: join(directory, 'no-agent.sock'),
      ZTUNNEL_ENGINE: 'reactor',
      ZTUNNEL_WORKER_THREADS: '2',
    },
  });
  const exited = once(child, 'exit');
  try {
    const metrics = async (): Promise<string> => {
      const curl = ['-t', String(child.pid), '-n', 'curl', '-sf', '--max-time', '10', '127.0.0.1:15020/metrics'];
      return (await promisify(execFile)('nsenter', curl)).stdout;
    };
    const wait = { timeout: 30_000, interval: 50 };
    await vi.waitFor(
      async () => expect(await metrics()).toContain('ambientmesh_engine_info{engine="reactor",reason=""} 1\n'),
      wait,
    );
    await vi.waitFor(
      async () => expect(await metrics()).toContain('ambientmesh_data_thread_stuck{thread="1"} 0\n'),
      wait,
    );
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
    await exited;
    rmSync(directory, { recursive: true });
  }
}, 60_000);
