import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  closeDescriptor,
  connectIn,
  descriptorOf,
  type ListenOptions,
  listenIn,
  listenTcp,
  listenUdp,
  Namespace,
  type OpenTcpOptions,
  openTcp,
  openUdp,
  readKeepAlive,
  readMark,
  readNoDelay,
  readReusePort,
  readTransparent,
  readUserTimeout,
} from './index.ts';
import { FREE_BIND, FREE_BIND_V6, REUSE_ADDRESS, readOption, TRANSPARENT_V6, V6_ONLY } from './socket-options.ts';

/** spec zds §9.3: the mark of the proxy, and keep-alive of 180 s, 180 s, 9 probes. */
const MARK = 1337;
const REFERENCE_KEEP_ALIVE = { idleSeconds: 180, intervalSeconds: 180, count: 9 };
const OTHER_KEEP_ALIVE = { idleSeconds: 7, intervalSeconds: 3, count: 2 };
/** Idle + count x interval, in milliseconds. */
const USER_TIMEOUT_MS = (180 + 9 * 180) * 1_000;

let namespace: Namespace;
beforeAll(() => {
  namespace = Namespace.create();
  namespace.run(() => execFileSync('ip', ['link', 'set', 'lo', 'up']));
});
afterAll(() => namespace.close());

/** Every combination of one value of each list. */
function* combine<A, B, C, D>(
  a: readonly A[],
  b: readonly B[],
  c: readonly C[],
  d: readonly D[],
): Generator<[A, B, C, D]> {
  for (const each of a)
    for (const other of b) for (const third of c) for (const fourth of d) yield [each, other, third, fourth];
}

const marked = (mark: number | undefined): { readonly mark?: number } => (mark === undefined ? {} : { mark });

const listeners = (ips: readonly string[]): { readonly ip: string; readonly v6Only: boolean }[] =>
  ips.flatMap((ip) => (ip.includes(':') ? [true, false] : [false]).map((v6Only) => ({ ip, v6Only })));
/** Bound to one IPv6 address, the kernel sets it by itself. */
const isV6Only = ({ ip, v6Only }: { readonly ip: string; readonly v6Only: boolean }): number =>
  ip === '::' && !v6Only ? 0 : 1;

test.each([
  ...combine(listeners(['0.0.0.0', '127.0.0.1', '::', '::1']), [true, false], [MARK, undefined], [
    'try',
    'require',
    'off',
  ] as const),
])('§9.3 TCP listener: %o, port reuse %s, mark %s, transparent %s', (scope, reusePort, mark, transparent) => {
  const options: ListenOptions = { ...scope, ...marked(mark), reusePort, transparent, port: 0 };
  const listener = listenTcp(namespace, options);
  const { fd } = listener;
  try {
    expect(listener.port).toBeGreaterThan(0);
    expect({
      mark: readMark(fd),
      reusePort: readReusePort(fd),
      reuseAddress: readOption(fd, REUSE_ADDRESS),
      transparent: readTransparent(fd),
      reported: listener.transparent,
      noDelay: readNoDelay(fd),
      keepAlive: readKeepAlive(fd),
    }).toEqual({
      mark: mark ?? 0,
      reusePort,
      reuseAddress: reusePort ? 0 : 1,
      transparent: transparent !== 'off',
      reported: transparent !== 'off',
      noDelay: false,
      keepAlive: false,
    });
    if (scope.ip.includes(':')) expect(readOption(fd, V6_ONLY)).toBe(isV6Only(scope));
  } finally {
    closeDescriptor(fd);
  }
});

test.each([...combine(listeners(['127.0.0.1', '::1', '::']), [true, false], [MARK, undefined], [true, false])])(
  '§9.3 UDP listener: %o, port reuse %s, mark %s, transparent %s',
  (scope, reusePort, mark, transparent) => {
    const { fd, port } = listenUdp(namespace, { ...scope, ...marked(mark), reusePort, transparent, port: 0 });
    try {
      expect(port).toBeGreaterThan(0);
      expect([readMark(fd), readReusePort(fd), readTransparent(fd)]).toEqual([mark ?? 0, reusePort, transparent]);
      if (scope.ip.includes(':')) expect(readOption(fd, V6_ONLY)).toBe(isV6Only(scope));
    } finally {
      closeDescriptor(fd);
    }
  },
);

test.each([
  ...combine(
    [4, 6] as const,
    [...combine([MARK, 0xffff_ffff, undefined], [true, false, undefined], [0], [0])],
    [OTHER_KEEP_ALIVE, REFERENCE_KEEP_ALIVE, false, undefined] as const,
    [...combine([USER_TIMEOUT_MS, undefined], [true, false], [0], [0])],
  ),
])(
  '§9.3 outgoing TCP: IPv%i, mark and no-delay %j, keep-alive %j, time-out and foreign source %j',
  (family, [mark, noDelay], keepAlive, [userTimeoutMs, foreign]) => {
    const options: OpenTcpOptions = {
      family,
      ...marked(mark),
      ...(noDelay === undefined ? {} : { noDelay }),
      ...(keepAlive === undefined ? {} : { keepAlive }),
      ...(userTimeoutMs === undefined ? {} : { userTimeoutMs }),
      ...(foreign ? { source: family === 4 ? '10.77.0.9' : 'fd77::9' } : {}),
    };
    const { fd, sourceKept } = openTcp(namespace, options);
    const transparent = family === 4 ? readTransparent(fd) : readOption(fd, TRANSPARENT_V6) === 1;
    const freeBind = readOption(fd, family === 4 ? FREE_BIND : FREE_BIND_V6) === 1;
    try {
      expect({
        mark: readMark(fd),
        reusePort: readReusePort(fd),
        noDelay: readNoDelay(fd),
        keepAlive: readKeepAlive(fd),
        userTimeoutMs: readUserTimeout(fd),
        foreign: [sourceKept, transparent, freeBind],
      }).toEqual({
        mark: mark ?? 0,
        reusePort: false,
        noDelay: noDelay ?? true,
        keepAlive: keepAlive ?? REFERENCE_KEEP_ALIVE,
        userTimeoutMs: userTimeoutMs ?? 0,
        foreign: [foreign, foreign, foreign],
      });
    } finally {
      closeDescriptor(fd);
    }
  },
);

test.each([...combine([4, 6] as const, [MARK, undefined], [0], [0])])(
  '§9.3 outgoing UDP: IPv%i, mark %s',
  (family, mark) => {
    const { fd } = openUdp(namespace, { family, ...marked(mark) });
    expect(readMark(fd)).toBe(mark ?? 0);
    closeDescriptor(fd);
  },
);

const readInherited = (socket: Socket): unknown => {
  const fd = descriptorOf(socket) ?? -1;
  return [readMark(fd), readNoDelay(fd), readKeepAlive(fd), readUserTimeout(fd)];
};

test('§9.3: accepted connections inherit what the listener was given', async () => {
  const server = createServer();
  const { port } = await listenIn(namespace, server, {
    ip: '127.0.0.1',
    port: 0,
    mark: MARK,
    noDelay: true,
    keepAlive: OTHER_KEEP_ALIVE,
    userTimeoutMs: 9_000,
  });
  const [[accepted], client] = await Promise.all([
    once(server, 'connection'),
    connectIn(namespace, { host: '127.0.0.1', port, mark: MARK, userTimeoutMs: 8_000 }),
  ]);
  if (!(accepted instanceof Socket)) throw new Error('no socket');
  expect(readInherited(accepted)).toEqual([MARK, true, OTHER_KEEP_ALIVE, 9_000]);
  expect(readInherited(client)).toEqual([MARK, true, REFERENCE_KEEP_ALIVE, 8_000]);
  accepted.destroy();
  client.destroy();
  server.close();
});

test('an address that no interface has is bound with freeBind, and only then', () => {
  for (const ip of ['192.0.2.7', '2001:db8::7']) {
    const refused = expect.objectContaining({ code: 'NETNS_SYSTEM_CALL', errno: 'EADDRNOTAVAIL', operation: 'bind' });
    expect(() => listenTcp(namespace, { ip, port: 0, transparent: 'off' })).toThrow(refused);
    expect(() => listenUdp(namespace, { ip, port: 0 })).toThrow(refused);
    closeDescriptor(listenTcp(namespace, { ip, port: 0, transparent: 'off', freeBind: true }).fd);
    closeDescriptor(listenUdp(namespace, { ip, port: 0, freeBind: true }).fd);
    closeDescriptor(listenUdp(namespace, { ip, port: 0, transparent: true }).fd);
  }
});

test.each([
  { what: 'mark beyond 32 bits', make: () => openTcp(namespace, { family: 4, mark: 2 ** 32 }) },
  { what: 'mark with a fraction', make: () => openUdp(namespace, { family: 4, mark: 1.5 }) },
  { what: 'time-out that is no number', make: () => openTcp(namespace, { family: 4, userTimeoutMs: Number.NaN }) },
  { what: 'negative backlog', make: () => listenTcp(namespace, { ip: '::', port: 0, backlog: -1 }) },
  { what: 'IPv6 only on IPv4', make: () => listenTcp(namespace, { ip: '0.0.0.0', port: 0, v6Only: true }) },
  { what: 'source port without source', make: () => openTcp(namespace, { family: 4, sourcePort: 7 }) },
  { what: 'device with a long name', make: () => openTcp(namespace, { family: 4, device: 'x'.repeat(16) }) },
  { what: 'device with a slash', make: () => listenUdp(namespace, { ip: '::', port: 0, device: 'a/b' }) },
  {
    what: 'source of the other family',
    make: () => openTcp(namespace, { family: 4, source: '::1', requireSource: true }),
  },
])('$what is refused, typed', ({ make }) => {
  expect(make).toThrow(expect.objectContaining({ name: 'NetnsError', code: 'NETNS_INVALID_ARGUMENT' }));
});

test('a device that is not there is refused, one that is there is bound', () => {
  const missing = expect.objectContaining({
    code: 'NETNS_SYSTEM_CALL',
    errno: 'ENODEV',
    message: `SO_BINDTODEVICE none0 in netns ${namespace.id.inode}: ENODEV (does the namespace have this interface?)`,
  });
  expect(() => listenTcp(namespace, { ip: '::', port: 0, device: 'none0' })).toThrow(missing);
  expect(() => openTcp(namespace, { family: 4, device: 'none0' })).toThrow(missing);
  expect(() => openUdp(namespace, { family: 6, device: 'none0' })).toThrow(missing);
  const { fd, port } = listenTcp(namespace, { ip: '127.0.0.1', port: 0, device: 'lo' });
  const listed = namespace.run(() => execFileSync('ss', ['-Hltn', `sport = ${port}`], { encoding: 'utf8' }));
  expect(listed).toContain(`127.0.0.1%lo:${port}`);
  closeDescriptor(fd);
});
