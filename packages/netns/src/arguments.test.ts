import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, expect, test } from 'vitest';
import {
  bindToDevice,
  closeDescriptor,
  connectSeqpacket,
  duplicate,
  listenSeqpacket,
  Namespace,
  originalDestination,
  readMark,
  restrictAddressReuse,
  setMark,
} from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'arguments-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const MODULE = JSON.stringify(new URL('./index.ts', import.meta.url).href);
const invalid = expect.objectContaining({ name: 'NetnsError', code: 'NETNS_INVALID_ARGUMENT' });
const failed = (errno: string): unknown =>
  expect.objectContaining({ name: 'NetnsError', code: 'NETNS_SYSTEM_CALL', errno });
const LOCAL = { ip: '10.0.0.1', port: 80 };

/** What callers without types pass; the C library would see 0 or 1, the standard streams. */
const GARBAGE: readonly number[] = [
  JSON.parse('{}').missing,
  JSON.parse('null'),
  JSON.parse('"x"'),
  JSON.parse('"0"'),
  JSON.parse('[0]'),
  Number.NaN,
  1.7,
  2 ** 31,
  2 ** 32,
  -(2 ** 31) - 1,
  Number.POSITIVE_INFINITY,
];

test.each(GARBAGE.map((fd) => ({ fd })))('descriptor $fd is refused wherever one is taken', async ({ fd }) => {
  const server = listenSeqpacket(join(folder, 'garbage.sock'));
  const [client, peer] = await Promise.all([connectSeqpacket(server.path), server.accept()]);
  await expect(client.send(Buffer.from('x'), [0, fd])).rejects.toEqual(invalid);
  for (const end of [client, peer, server]) end?.close();
  for (const use of [
    () => closeDescriptor(fd),
    () => duplicate(fd),
    () => setMark(fd, 1),
    () => readMark(fd),
    () => bindToDevice(fd, 'lo'),
    () => restrictAddressReuse(fd),
    () => Namespace.ofDescriptor(fd),
  ])
    expect(use).toThrow(invalid);
  if (typeof fd !== 'object') expect(() => originalDestination(fd, LOCAL)).toThrow(invalid);
});

test.each([-1, 99_999])('descriptor %i, which is not open, is EBADF', async (fd) => {
  for (const use of [
    () => closeDescriptor(fd),
    () => duplicate(fd),
    () => setMark(fd, 1),
    () => Namespace.ofDescriptor(fd),
    () => originalDestination(fd, LOCAL),
  ])
    expect(use).toThrow(failed('EBADF'));
});

test('the original destination of what is no socket of TCP is an error, not the local address', () => {
  const file = openSync(process.execPath, 'r');
  expect(() => originalDestination(file, LOCAL)).toThrow(failed('ENOTSOCK'));
  closeSync(file);
});

test.each([-1, 2 ** 32, 1.5, Number.NaN])('mark %d is refused', (mark) => {
  expect(() => setMark(0, mark)).toThrow(invalid);
});

test('a bare name is no path, and the error says which path is meant', () => {
  using own = Namespace.current();
  const hint = expect.stringMatching(/is \/run\/netns\/web meant\?/);
  expect(() => Namespace.open('web')).toThrow(expect.objectContaining({ code: 'NETNS_GONE', message: hint }));
  expect(() => own.pin('web')).toThrow(expect.objectContaining({ code: 'NETNS_INVALID_ARGUMENT', message: hint }));
  expect(existsSync('web')).toBe(false);
});

test('a path with a zero byte is refused before anything happens', () => {
  using own = Namespace.current();
  const path = join(folder, 'made', 'pin\0more');
  expect(() => Namespace.open('/proc/self/ns/net\0more')).toThrow(invalid);
  expect(() => own.pin(path)).toThrow(invalid);
  expect(existsSync(join(folder, 'made'))).toBe(false);
  writeFileSync(join(folder, 'empty'), '');
  expect(() => Namespace.unpin(`${join(folder, 'empty')}\0more`)).toThrow(invalid);
  expect(existsSync(join(folder, 'empty'))).toBe(true);
});

test('a socket file below a file, not a folder, is ENOTDIR', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => listenSeqpacket(join(folder, 'file', 'x.sock'))).toThrow(failed('ENOTDIR'));
});

test('another user’s socket, and a folder that one may not look into, are typed', async (context) => {
  if (process.getuid?.() !== 0) return context.skip('needs root, to have files of two users');
  const [sticky, closed] = [join(folder, 'sticky'), join(folder, 'closed')];
  mkdirSync(sticky);
  chmodSync(folder, 0o755);
  chmodSync(sticky, 0o1777);
  mkdirSync(closed, { mode: 0o700 });
  const server = listenSeqpacket(join(sticky, 'x.sock'));
  chownSync(closed, 0, 0);
  const script = `const netns = await import(${MODULE});
    netns.probe();
    process.setgid(65534); process.setuid(65534);
    for (const path of ${JSON.stringify([join(sticky, 'x.sock'), join(closed, 'x.sock')])})
      try { netns.listenSeqpacket(path); console.log('listens'); }
      catch ({ name, code, errno, operation }) { console.log(name, code, errno, operation); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  expect(await text(child.stdout)).toBe(
    'NetnsError NETNS_PERMISSION EPERM unlink\nNetnsError NETNS_PERMISSION EACCES look at\n',
  );
  server.close();
});

test.each(['darwin', 'win32'])('on %s taking over a descriptor is NETNS_UNSUPPORTED', async (platform) => {
  const script = `Object.defineProperty(process, 'platform', { value: '${platform}' });
    const netns = await import(${MODULE});
    for (const use of [() => netns.Namespace.ofDescriptor(0), () => netns.Namespace.open('x'), () => netns.Namespace.create()])
      try { use(); } catch ({ code }) { console.log(code); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  expect(output).toBe('NETNS_UNSUPPORTED\n'.repeat(3));
});
