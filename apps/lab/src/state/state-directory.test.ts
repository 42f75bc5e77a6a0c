import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import {
  claimLab,
  controlSocketPath,
  isLabAlive,
  type LabBase,
  labDirectory,
  listLabs,
  locateLabBase,
  mountNamespaceOf,
  readRecord,
  removeLab,
  startTimeOf,
  writeRecord,
} from './state-directory.ts';

const { uid } = userInfo();
const root = mkdtempSync(join(tmpdir(), 'lab-state-'));
let serial = 0;
let base: LabBase;

beforeEach(() => {
  serial += 1;
  mkdirSync(join(root, String(serial)));
  base = locateLabBase({ temporaryDirectory: join(root, String(serial)), uid });
});
afterAll(() => rmSync(root, { recursive: true }));

async function answering(name: string): Promise<Server> {
  const server = createServer().listen(controlSocketPath(base, name));
  await once(server, 'listening');
  return server;
}

/** A process that has ended: its number and start. */
async function deadProcess(): Promise<{ readonly starterPid: number; readonly starterStart: string }> {
  const child = spawn('sleep', ['60']);
  const record = { starterPid: child.pid ?? 0, starterStart: startTimeOf(child.pid ?? 0) ?? '' };
  child.kill();
  await once(child, 'exit');
  return record;
}

describe('the folder of labs', () => {
  test('is in XDG_RUNTIME_DIR if that is the user’s, else in the temporary folder', () => {
    const temporaryDirectory = join(root, String(serial));
    const runtimeDirectory = temporaryDirectory;
    expect(locateLabBase({ runtimeDirectory, temporaryDirectory, uid }).path).toBe(
      join(runtimeDirectory, 'ambientmesh-lab'),
    );
    for (const other of [undefined, '', '/nonexistent'])
      expect(locateLabBase({ runtimeDirectory: other, temporaryDirectory, uid }).path).toBe(
        join(temporaryDirectory, `ambientmesh-lab-${uid}`),
      );
  });

  test('must be the user’s alone', () => {
    mkdirSync(base.path);
    chmodSync(base.path, 0o770);
    const options = { temporaryDirectory: join(root, String(serial)), uid };
    expect(() => locateLabBase(options)).toThrow(expect.objectContaining({ code: 'LAB_STATE_UNSAFE' }));
    rmSync(base.path, { recursive: true });
    symlinkSync('/tmp', base.path);
    expect(() => locateLabBase(options)).toThrow(expect.objectContaining({ code: 'LAB_STATE_UNSAFE' }));
  });

  test('goes with the last lab', async () => {
    await claimLab(base, 'one');
    await claimLab(base, 'two');
    removeLab(base, 'one');
    expect(existsSync(base.path)).toBe(true);
    removeLab(base, 'two');
    expect(existsSync(base.path)).toBe(false);
    removeLab(base, 'two');
  });
});

describe('claiming a name', () => {
  test('records the starter, who lives', async () => {
    await claimLab(base, 'mine');
    expect(readRecord(base, 'mine')).toEqual({
      name: 'mine',
      starterPid: process.pid,
      starterStart: startTimeOf(process.pid),
    });
    expect(await isLabAlive(base, 'mine')).toBe(true);
  });

  test('is refused while the lab answers', async () => {
    await claimLab(base, 'busy');
    writeRecord(base, { name: 'busy', ...(await deadProcess()) });
    const server = await answering('busy');
    await expect(claimLab(base, 'busy')).rejects.toMatchObject({
      code: 'LAB_ALREADY_RUNNING',
      message: expect.stringContaining('`npx lab down`'),
    });
    server.close();
    await once(server, 'close');
  });

  test('is refused while its starter is at work', async () => {
    await claimLab(base, 'new');
    await expect(claimLab(base, 'new')).rejects.toMatchObject({ code: 'LAB_ALREADY_RUNNING' });
  });

  test('is refused while its process 1 lives, though it does not answer', async () => {
    await claimLab(base, 'mute');
    const mountNamespace = mountNamespaceOf(process.pid) ?? '';
    writeRecord(base, { name: 'mute', ...(await deadProcess()), initPid: process.pid, mountNamespace });
    expect(await isLabAlive(base, 'mute')).toBe(true);
    writeRecord(base, { name: 'mute', ...(await deadProcess()), initPid: process.pid, mountNamespace: 'mnt:[1]' });
    expect(await isLabAlive(base, 'mute')).toBe(false);
  });

  test('is not refused for a dead process 1 whose namespace was never written', async () => {
    await claimLab(base, 'older');
    const dead = await deadProcess();
    writeRecord(base, { name: 'older', ...dead, initPid: dead.starterPid });
    expect(await isLabAlive(base, 'older')).toBe(false);
  });

  test('clears what a dead lab left', async () => {
    await claimLab(base, 'dead');
    writeRecord(base, { name: 'dead', ...(await deadProcess()) });
    mkdirSync(join(labDirectory(base, 'dead'), 'run'));
    await claimLab(base, 'dead');
    expect(existsSync(join(labDirectory(base, 'dead'), 'run'))).toBe(false);
  });

  test('clears a folder without a record', async () => {
    mkdirSync(labDirectory(base, 'half'), { recursive: true, mode: 0o700 });
    await claimLab(base, 'half');
    expect(readRecord(base, 'half')?.starterPid).toBe(process.pid);
  });

  test.each(['', '..', 'a/b', 'UP', 'x'.repeat(33)])('refuses %j', async (name) => {
    await expect(claimLab(base, name)).rejects.toMatchObject({ code: 'LAB_ARGUMENT_INVALID' });
  });
});

test('listing names the living and removes the dead', async () => {
  await claimLab(base, 'alive');
  await claimLab(base, 'dead');
  writeRecord(base, { name: 'dead', ...(await deadProcess()) });
  expect(await listLabs(base)).toEqual(['alive']);
  expect(existsSync(labDirectory(base, 'dead'))).toBe(false);
});

test('a socket path too long for the kernel is refused', () => {
  expect(() => controlSocketPath({ path: `/tmp/${'x'.repeat(100)}` }, 'a')).toThrow(
    expect.objectContaining({ code: 'LAB_STATE_UNSAFE' }),
  );
});
