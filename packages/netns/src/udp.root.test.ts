import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  closeDescriptor,
  listenUdp,
  Namespace,
  openUdp,
  readMark,
  readReusePort,
  restrictAddressReuse,
} from './index.ts';

const MARK = 1337;
let holder: ChildProcess;
let namespace: Namespace;
const sockets: Socket[] = [];

beforeAll(async () => {
  holder = spawn('unshare', ['-n', 'sh', '-c', 'ip link set lo up; echo ready; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(holder.stdout ?? holder, 'data');
  namespace = Namespace.ofPid(holder.pid ?? 0);
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});
afterAll(() => {
  namespace.close();
  holder.kill('SIGKILL');
});

function adopt(fd: number, type: 'udp4' | 'udp6'): Socket {
  const socket = createSocket({ type });
  sockets.push(socket);
  socket.bind({ fd });
  return socket;
}

test.each([
  { ip: '127.0.0.1', family: 4, type: 'udp4' },
  { ip: '::1', family: 6, type: 'udp6' },
] as const)('a datagram goes from $ip to $ip inside of the namespace', async ({ ip, family, type }) => {
  const bound = listenUdp(namespace, { ip, port: 0, mark: MARK });
  expect([readMark(bound.fd), readReusePort(bound.fd)]).toEqual([MARK, true]);
  const server = adopt(bound.fd, type);
  server.on('message', (bytes, peer) => server.send(Buffer.concat([bytes, bytes]), peer.port, peer.address));
  const { fd } = openUdp(namespace, { family, mark: MARK });
  expect(readMark(fd)).toBe(MARK);
  const client = adopt(fd, type);
  client.connect(bound.port, ip);
  await once(client, 'connect');
  client.send('ab');
  const [answer] = await once(client, 'message');
  expect(String(answer)).toBe('abab');
});

test('a port is taken once unless both share it', () => {
  const first = listenUdp(namespace, { ip: '127.0.0.1', port: 0 });
  const again = listenUdp(namespace, { ip: '127.0.0.1', port: first.port });
  expect(() => listenUdp(namespace, { ip: '127.0.0.1', port: first.port, reusePort: false })).toThrow(
    expect.objectContaining({ code: 'NETNS_ADDRESS_IN_USE', operation: 'bind', errno: 'EADDRINUSE' }),
  );
  closeDescriptor(first.fd);
  closeDescriptor(again.fd);
});

test('no other socket can bind the address of an adopted one by SO_REUSEADDR', () => {
  const bind = (port: number): string =>
    namespace.run(() =>
      execFileSync('python3', [
        '-c',
        `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try: s.bind(('127.0.0.1', ${port})); print('bound', end='')
except OSError as e: print(e.errno, end='')`,
      ]).toString(),
    );
  const { fd, port } = listenUdp(namespace, { ip: '127.0.0.1', port: 0 });
  adopt(fd, 'udp4');
  expect(bind(port)).toBe('bound');
  restrictAddressReuse(fd);
  expect(bind(port)).toBe('98');
});
