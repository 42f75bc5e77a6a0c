import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Namespace } from './index.ts';

const OWN = '/proc/thread-self/ns/net';
const name = (suffix: string): string => `netns-test-${process.pid}-${suffix}`;
const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
const countDescriptors = (): number => readdirSync('/proc/self/fd').length;
/** Mounts that this test could have left; others come and go. */
const countMounts = (): number => {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.filter((mount) => mount.includes(directory) || mount.includes(name(''))).length;
};
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'netns-pin-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

test('create: an empty namespace of its own; the thread is back where it was', () => {
  const before = readlinkSync(OWN);
  using made = Namespace.create();
  using other = Namespace.create();
  expect(readlinkSync(OWN)).toBe(before);
  expect(made.isNetworkNamespace).toBe(true);
  expect(made.sameAs(other)).toBe(false);
  expect(made.run(() => readlinkSync(OWN))).toBe(`net:[${made.id.inode}]`);
  expect(made.run(() => readFileSync('/proc/thread-self/net/dev', 'utf8'))).toMatch(/^\s*lo:/m);
  expect(made.run(() => readFileSync('/proc/thread-self/net/dev', 'utf8').split('\n'))).toHaveLength(4);
});

test('create inside of run comes back into that namespace', () => {
  const before = readlinkSync(OWN);
  using outer = Namespace.create();
  outer.run(() => {
    using inner = Namespace.create();
    expect(readlinkSync(OWN)).toBe(`net:[${outer.id.inode}]`);
    expect(inner.sameAs(outer)).toBe(false);
  });
  expect(readlinkSync(OWN)).toBe(before);
});

test('a namespace closed inside of its own run is left before its descriptor goes', () => {
  const before = readlinkSync(OWN);
  const outer = Namespace.create();
  using inner = Namespace.create();
  const count = countDescriptors();
  outer.run(() => {
    outer.close();
    expect(() => outer.fd).toThrow(expect.objectContaining({ code: 'NETNS_CLOSED' }));
    inner.run(() => undefined);
    expect(readlinkSync(OWN)).toBe(`net:[${outer.id.inode}]`);
  });
  expect(readlinkSync(OWN)).toBe(before);
  expect(countDescriptors()).toBe(count - 1);
});

test('pin: `ip netns` sees the namespace and deletes it', () => {
  using made = Namespace.create();
  const pinned = name('pin');
  made.pin(`/run/netns/${pinned}`);
  try {
    expect(ip('netns', 'list')).toContain(pinned);
    expect(ip('netns', 'exec', pinned, 'readlink', '/proc/self/ns/net').trim()).toBe(`net:[${made.id.inode}]`);
    using again = Namespace.open(`/run/netns/${pinned}`);
    expect(again.sameAs(made)).toBe(true);
  } finally {
    ip('netns', 'delete', pinned);
  }
  expect(existsSync(`/run/netns/${pinned}`)).toBe(false);
});

test('unpin removes what `ip netns add` made', () => {
  const added = name('add');
  const mounts = countMounts();
  ip('netns', 'add', added);
  Namespace.unpin(`/run/netns/${added}`);
  expect(ip('netns', 'list')).not.toContain(added);
  expect(existsSync(`/run/netns/${added}`)).toBe(false);
  expect(countMounts()).toBe(mounts);
});

test('the directory of a pin is made; a taken path is EEXIST and stays; nothing is left of failures', () => {
  const [mounts, descriptors] = [countMounts(), countDescriptors()];
  using made = Namespace.create();
  const path = join(directory, 'fresh', 'one');
  made.pin(path);
  expect(() => made.pin(path)).toThrow(expect.objectContaining({ code: 'NETNS_EXISTS', errno: 'EEXIST' }));
  using again = Namespace.open(path);
  expect(again.sameAs(made)).toBe(true);
  Namespace.unpin(path);
  expect(() => Namespace.unpin(path)).toThrow(expect.objectContaining({ code: 'NETNS_GONE', errno: 'ENOENT' }));
  expect(() => made.pin(join(directory, 'no', 'such', 'directory'))).toThrow(
    expect.objectContaining({ code: 'NETNS_GONE' }),
  );
  const tooLong = join(directory, 'made', 'x'.repeat(300));
  expect(() => made.pin(tooLong)).toThrow(
    expect.objectContaining({ code: 'NETNS_SYSTEM_CALL', errno: 'ENAMETOOLONG' }),
  );
  expect(existsSync(join(directory, 'made'))).toBe(false);
  again.close();
  made.close();
  expect([countMounts(), countDescriptors()]).toEqual([mounts, descriptors]);
});

test('who may not mount is told so, and no file is left', () => {
  const path = join(directory, 'forbidden', 'pin');
  const script = `
    const { Namespace } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
    try { Namespace.current().pin(${JSON.stringify(path)}); } catch ({ code, errno, message }) { console.log(code, errno, message); }
    try { Namespace.create(); } catch ({ code, errno }) { console.log(code, errno); }`;
  const dropped = ['--bounding-set=-all', '--inh-caps=-all', process.execPath, '--input-type=module', '-e', script];
  expect(execFileSync('setpriv', dropped, { encoding: 'utf8' })).toBe(
    `NETNS_PERMISSION EPERM mount ${path}: EPERM (needs CAP_SYS_ADMIN)\nNETNS_PERMISSION EPERM\n`,
  );
  expect(existsSync(join(directory, 'forbidden'))).toBe(false);
});

test('unpin leaves files alone that are no pins, and removes an empty one that a reboot left', () => {
  const file = join(directory, 'file');
  writeFileSync(file, 'precious');
  expect(() => Namespace.unpin(file)).toThrow(
    expect.objectContaining({ code: 'NETNS_INVALID_ARGUMENT', message: expect.stringContaining(file) }),
  );
  expect(readFileSync(file, 'utf8')).toBe('precious');
  writeFileSync(file, '');
  Namespace.unpin(file);
  expect(existsSync(file)).toBe(false);
});

test('an open namespace stays itself when its path is made anew', () => {
  const path = join(directory, 'again');
  using first = Namespace.create();
  first.pin(path);
  using opened = Namespace.open(path);
  Namespace.unpin(path);
  using second = Namespace.create();
  second.pin(path);
  using reopened = Namespace.open(path);
  Namespace.unpin(path);
  expect(opened.sameAs(first)).toBe(true);
  expect(reopened.sameAs(second)).toBe(true);
  expect(opened.sameAs(reopened)).toBe(false);
  expect(opened.run(() => readlinkSync(OWN))).toBe(`net:[${first.id.inode}]`);
});

test('a worker thread makes, enters and pins namespaces of its own', async () => {
  const path = join(directory, 'worker');
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ Namespace }) => {
      const made = Namespace.create();
      made.pin(workerData.path);
      parentPort.postMessage(made.run(() => require('node:fs').readlinkSync('/proc/thread-self/ns/net')));
      made.close();
    });`,
    { eval: true, workerData: { module: new URL('./index.ts', import.meta.url).href, path } },
  );
  const own = readlinkSync(OWN);
  const [said] = await new Promise<unknown[]>((resolve, reject) => {
    worker.once('message', (...message) => resolve(message));
    worker.once('error', reject);
  });
  await worker.terminate();
  using opened = Namespace.open(path);
  Namespace.unpin(path);
  expect(said).toBe(`net:[${opened.id.inode}]`);
  expect(readlinkSync(OWN)).toBe(own);
});

/** What a process does that cannot leave a namespace; the script has `netns`, `koffi` and `made`. */
function runDoomed(inside: string): {
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const script = `
    const netns = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
    const { readdirSync, readlinkSync } = await import('node:fs');
    const koffi = (await import('node:module')).createRequire(${JSON.stringify(import.meta.url)})('koffi');
    const own = readlinkSync('/proc/self/ns/net');
    const made = netns.Namespace.create();
    try { made.run(() => { ${inside} }); } catch (error) { console.log('caught', error); }
    console.log('went on');`;
  return spawnSync(
    'sh',
    ['-c', 'ulimit -c 0; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script],
    {
      encoding: 'utf8',
    },
  );
}

test.each([
  {
    why: 'the descriptor it returns to is closed',
    errno: 'EBADF',
    inside: `for (const fd of readdirSync('/proc/self/fd'))
      try { if (readlinkSync('/proc/self/fd/' + fd) === own) netns.closeDescriptor(Number(fd)); } catch {}`,
  },
  {
    why: 'the process has given up CAP_SYS_ADMIN',
    errno: 'EPERM',
    // Version 3 of the header, this thread; no effective, permitted or inheritable capability.
    inside: `const header = Buffer.alloc(8); header.writeUInt32LE(0x20080522);
      koffi.load(null).func('int capset(void *, void *)')(header, Buffer.alloc(24));`,
  },
])('the process ends when it cannot leave a namespace because $why', ({ inside, errno }) => {
  const { signal, stdout, stderr } = runDoomed(inside);
  expect({ signal, stdout }).toEqual({ signal: 'SIGABRT', stdout: '' });
  expect(stderr).toMatch(
    new RegExp(`^netns: cannot leave netns \\d+: ${errno}; ending the process so that no traffic leaks$`, 'm'),
  );
});
