import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SupervisedProcess } from './supervised-process.ts';

const GRACE_MS = 5_000;

test('starts of all kinds are counted, and among them those after an end by itself', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lab-process-'));
  // Stands for the program that enters a namespace, which only root may.
  writeFileSync(join(folder, 'nsenter'), '#!/bin/sh\nexec /bin/sleep 60\n');
  chmodSync(join(folder, 'nsenter'), 0o755);
  const supervised = new SupervisedProcess({
    namespace: 'none',
    command: ['true'],
    environment: { PATH: folder },
    workingDirectory: folder,
    logPath: join(folder, 'log'),
    restart: true,
  });
  try {
    expect(supervised.status()).toMatchObject({ running: false, starts: 0, restarts: 0 });
    supervised.start();
    supervised.start();
    expect(supervised.status()).toMatchObject({ running: true, starts: 1, restarts: 0 });
    await supervised.stop('SIGTERM', GRACE_MS);
    supervised.start();
    expect(supervised.status()).toMatchObject({ running: true, starts: 2, restarts: 0, lastExit: 'SIGTERM' });
    supervised.signal('SIGKILL');
    await expect
      .poll(() => supervised.status(), { timeout: GRACE_MS })
      .toMatchObject({ running: true, starts: 3, restarts: 1, lastExit: 'SIGKILL' });
  } finally {
    await supervised.stop('SIGKILL', GRACE_MS);
    rmSync(folder, { recursive: true });
  }
});
