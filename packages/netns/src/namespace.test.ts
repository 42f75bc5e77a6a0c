import { execFileSync } from 'node:child_process';
import { fstatSync, openSync, readdirSync } from 'node:fs';
import * as netns from '@ambientmesh/netns';
import { expect, test } from 'vitest';
import { canonicalIp, closeDescriptor, duplicate, Namespace, NetnsError, probe, raiseFileLimit } from './index.ts';

test.each([
  { text: '::ffff:1.2.3.4', canonical: '1.2.3.4' },
  { text: '::FFFF:10.0.0.1', canonical: '10.0.0.1' },
  { text: '::ffff:a00:1', canonical: '10.0.0.1' },
  { text: '10.0.0.1', canonical: '10.0.0.1' },
  { text: '::1', canonical: '::1' },
  { text: 'fd00::ffff:1:2', canonical: 'fd00::ffff:1:2' },
])('canonicalIp($text) is $canonical', ({ text, canonical }) => {
  expect(canonicalIp(text)).toBe(canonical);
});

test('the package is imported by its name', () => {
  expect(Object.keys(netns).toSorted()).toEqual([
    'Namespace',
    'NetnsError',
    'RouteSocket',
    'TcpStock',
    'bindIn',
    'bindToDevice',
    'canonicalIp',
    'capturePackets',
    'closeDescriptor',
    'connectIn',
    'connectSeqpacket',
    'descriptorOf',
    'duplicate',
    'listenIn',
    'listenSeqpacket',
    'listenTcp',
    'listenUdp',
    'openTcp',
    'openUdp',
    'originalDestination',
    'probe',
    'raiseFileLimit',
    'readKeepAlive',
    'readMark',
    'readNoDelay',
    'readReusePort',
    'readTransparent',
    'readUserTimeout',
    'restrictAddressReuse',
    'setKeepAlive',
    'setMark',
    'setNoDelay',
    'setUserTimeout',
    'spawnIn',
  ]);
});

test('another system imports the package, and is told what is missing on use', () => {
  const script = `
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    const netns = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
    try { netns.Namespace.current(); } catch (error) { console.log(error.code, error.message); }
    console.log(netns.canonicalIp('::ffff:1.2.3.4'), JSON.stringify(netns.probe().setns));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(output).toMatch(/^NETNS_UNSUPPORTED network namespaces need Linux, this is darwin/);
  expect(output).toContain('1.2.3.4 {"supported":false,"reason":"network namespaces need Linux, this is darwin');
});

test('a namespace is known by device and inode, not by its descriptor', () => {
  using first = Namespace.current();
  using second = Namespace.ofPid(process.pid);
  using third = Namespace.ofDescriptor(duplicate(first.fd));
  expect(first.fd).not.toBe(second.fd);
  expect(first.sameAs(second) && first.sameAs(third)).toBe(true);
  expect(first.id.inode).toBe(fstatSync(second.fd, { bigint: true }).ino);
  expect(first.isNetworkNamespace).toBe(true);
  using other = Namespace.open('/proc/self/ns/mnt');
  expect(other.isNetworkNamespace).toBe(false);
  expect(other.sameAs(first)).toBe(false);
  using file = Namespace.ofDescriptor(openSync(process.execPath, 'r'));
  expect(file.isNetworkNamespace).toBe(false);
});

test('closing is idempotent, use after it is a typed error, and nothing leaks', () => {
  const before = readdirSync('/proc/self/fd').length;
  const namespace = Namespace.current();
  namespace.close();
  namespace.close();
  expect(() => namespace.fd).toThrow(
    expect.objectContaining({ code: 'NETNS_CLOSED', namespaceId: namespace.id.inode }),
  );
  expect(readdirSync('/proc/self/fd').length).toBe(before);
});

test('a vanished namespace is NETNS_GONE with path and remedy', () => {
  expect(() => Namespace.open('/run/netns/no-such-namespace')).toThrow(
    expect.objectContaining({
      name: 'NetnsError',
      code: 'NETNS_GONE',
      errno: 'ENOENT',
      errnoNumber: 2,
      reason: 'No such file or directory',
      message:
        'open namespace /run/netns/no-such-namespace: ENOENT (does it still exist, and may this process look at it?)',
    }),
  );
});

test('descriptors: duplicating and closing bad ones fails with EBADF', () => {
  expect(() => duplicate(-1)).toThrow(NetnsError);
  expect(() => closeDescriptor(-1)).toThrow(expect.objectContaining({ code: 'NETNS_SYSTEM_CALL', errno: 'EBADF' }));
});

test('the limit of open files is raised to the hard one', () => {
  const { soft, hard } = raiseFileLimit();
  expect(soft).toBe(hard);
  expect(soft).toBeGreaterThan(0);
});

test('a namespace of another kind is refused with what to check', () => {
  using mounts = Namespace.open('/proc/self/ns/mnt');
  // Without privilege nothing is entered at all.
  const refused = probe().setns.supported
    ? { errno: 'EINVAL', message: `setns in netns ${mounts.id.inode}: EINVAL (is it a network namespace?)` }
    : { errno: 'EPERM', message: 'setns to the own namespace: EPERM (needs CAP_SYS_ADMIN)' };
  expect(() => mounts.run(() => undefined)).toThrow(expect.objectContaining(refused));
});
