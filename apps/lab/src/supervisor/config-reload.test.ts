import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { NodeSpec } from '../topology/topology.ts';
import { untilConfigInForce } from './config-reload.ts';
import { MeshFile } from './mesh-file.ts';

const OLD = 'a'.repeat(64);
const NEW = 'b'.repeat(64);
const RUNNING = { status: () => ({ pid: 1, running: true, starts: 1, restarts: 0 }) };
/** Of 127.0.0.0/8, which all belongs to the machine: the ports of a ztunnel are free there. */
const NODE: NodeSpec = {
  name: 'node1',
  address: `127.15.${process.pid & 255}.${(process.pid >> 8) & 255}`,
  podCidr: '',
};

/** A ztunnel that answers with these metrics, one after the other, the last for ever. */
async function answer(...metrics: readonly string[]): Promise<() => number> {
  let asked = 0;
  for (const [port, text] of [
    [15_020, () => metrics[Math.min(asked++, metrics.length - 1)] ?? ''],
    [15_021, () => 'ready'],
  ] as const) {
    const server = createServer((_request, response) => response.end(text()));
    await new Promise<void>((resolve) => {
      server.listen(port, NODE.address, resolve);
    });
    onTestFinished(() => {
      server.close();
    });
  }
  return () => asked;
}

function inForce(sha256: string): string {
  return `# TYPE x gauge\nambientmesh_local_config_info{sha256="${sha256}"} 1\n# EOF\n`;
}

test('waits until the ztunnel goes by the new file', async () => {
  const asked = await answer(inForce(OLD), inForce(OLD), inForce(NEW));
  expect(await untilConfigInForce(NODE, RUNNING, { sha256: NEW })).toBe(true);
  expect(asked()).toBe(3);
});

test('knows a ztunnel that reads its file only once', async () => {
  await answer('# EOF\n');
  expect(await untilConfigInForce(NODE, RUNNING, { sha256: NEW })).toBe(false);
});

test('is not deceived by one that reads its first file between two questions', async () => {
  const asked = await answer('# EOF\n', inForce(NEW));
  expect(await untilConfigInForce(NODE, RUNNING, { sha256: NEW })).toBe(true);
  expect(asked()).toBe(2);
});

test('gives up on one that refuses the file', async () => {
  await answer(inForce(OLD));
  await expect(untilConfigInForce(NODE, RUNNING, { sha256: NEW, deadlineMs: 60 })).rejects.toMatchObject({
    code: 'LAB_ZTUNNEL_NOT_READY',
    message: expect.stringContaining('within 60 ms'),
  });
});

test('gives up in time on one that takes connections and never answers, and says what to do', async () => {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => {
    server.listen(15_020, NODE.address, resolve);
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const began = performance.now();
  await expect(untilConfigInForce(NODE, RUNNING, { sha256: NEW, deadlineMs: 60 })).rejects.toMatchObject({
    code: 'LAB_ZTUNNEL_NOT_READY',
    message:
      'ztunnel@node1: has not taken the changed mesh.yaml within 60 ms; it does not answer: `npx lab ztunnel kill node1` ends it, and another one is started',
  });
  // Less than one request would be waited for.
  expect(performance.now() - began).toBeLessThan(1_500);
  expect(sockets.size).toBeGreaterThan(0);
});

test('does not wait for one that has ended: it will read the new file when it starts', async () => {
  const ended = { status: () => ({ pid: undefined, running: false, starts: 1, restarts: 0 }) };
  expect(await untilConfigInForce(NODE, ended, { sha256: NEW })).toBe(true);
});

test('the file is replaced only if it changes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-file-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = new MeshFile(join(folder, 'mesh.yaml'));
  expect([file.write('one\n'), file.write('one\n'), file.write('two\n')]).toEqual([true, false, true]);
  expect(readFileSync(file.path, 'utf8')).toBe('two\n');
  expect(file.sha256).toBe('27dd8ed44a83ff94d557f9fd0412ed5a8cbca69ea04922d88c01184a07300a5a');
});
