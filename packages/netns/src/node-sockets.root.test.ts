import { execFileSync } from 'node:child_process';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { getEventListeners, once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer as createHttpServer, get, type IncomingMessage } from 'node:http';
import { createServer, type Server, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { bindIn, connectIn, descriptorOf, listenIn, Namespace, readMark, readReusePort } from './index.ts';

const MARK = 1337;
let namespace: Namespace;
const open: (Server | UdpSocket)[] = [];

beforeAll(() => {
  namespace = Namespace.create();
  namespace.run(() => execFileSync('ip', ['link', 'set', 'lo', 'up']));
});
afterEach(async () => {
  await Promise.all(
    open.splice(0).map(async (each) => {
      const closed = once(each, 'close');
      each.close();
      await closed;
    }),
  );
});
afterAll(() => namespace.close());

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;
const ss = (filter: string): string => namespace.run(() => execFileSync('ss', ['-Hltn', filter], { encoding: 'utf8' }));

function greeter(): Server {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(`hello ${socket.remoteAddress}`);
  });
  open.push(server);
  return server;
}

test.each([
  { listen: { ip: '127.0.0.1' }, host: '127.0.0.1', seen: '127.0.0.1' },
  { listen: { ip: '::' }, host: '127.0.0.1', seen: '::ffff:127.0.0.1' },
  { listen: { ip: '::' }, host: '::1', seen: '::1' },
  { listen: { ip: '::', v6Only: true }, host: '::1', seen: '::1' },
])('a server on $listen is reached at $host', async ({ listen, host, seen }) => {
  const server = greeter();
  const { port, transparent } = await listenIn(namespace, server, { ...listen, port: 0, backlog: 7, mark: MARK });
  expect(transparent).toBe(false);
  expect(server.address()).toMatchObject({ address: listen.ip, port });
  const fd = descriptorOf(server) ?? -1;
  expect([readMark(fd), readReusePort(fd)]).toEqual([MARK, false]);
  // Send-Q of a listener is its backlog.
  expect(ss(`sport = ${port}`).trim().split(/\s+/).slice(0, 3)).toEqual(['LISTEN', '0', '7']);
  const client = await connectIn(namespace, { host, port });
  expect(client.remoteAddress).toBe(host);
  expect(await text(client)).toBe(`hello ${seen}`);
});

test('an IPv6-only server refuses IPv4', async () => {
  const { port } = await listenIn(namespace, greeter(), { ip: '::', port: 0, v6Only: true });
  await expect(connectIn(namespace, { host: '127.0.0.1', port })).rejects.toMatchObject({ errno: 'ECONNREFUSED' });
});

test('an HTTP server answers over a connection made in the namespace, and is not there outside', async () => {
  const server = createHttpServer((request, response) => response.end(`you asked for ${request.url}`));
  open.push(server);
  const { port } = await listenIn(namespace, server, { ip: '127.0.0.1', port: 0 });
  const socket = await connectIn(namespace, { host: '127.0.0.1', port });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ path: '/x', createConnection: () => socket, headers: { connection: 'close' } }, resolve).on('error', reject);
  });
  expect(await text(response)).toBe('you asked for /x');
  const outside = new Socket();
  outside.connect(port, '127.0.0.1');
  expect(await once(outside, 'connect').catch((error: unknown) => error)).toMatchObject({ code: 'ECONNREFUSED' });
});

test('half-open connections stay writable when asked for', async () => {
  const { port } = await listenIn(namespace, greeter(), { ip: '127.0.0.1', port: 0 });
  const client = await connectIn(namespace, { host: '127.0.0.1', port, allowHalfOpen: true });
  client.resume();
  await once(client, 'end');
  expect(client.writable).toBe(true);
  client.destroy();
});

test.each([
  { listen: '127.0.0.1', source: '127.0.0.77', host: '127.0.0.1' },
  { listen: '127.0.0.1', source: '10.77.0.9', host: '127.0.0.1' },
])('the peer sees source $source', async ({ listen, source, host }) => {
  const server = createServer((socket) => socket.end(`${socket.remoteAddress} ${socket.remotePort}`));
  open.push(server);
  if (!source.startsWith('127.'))
    namespace.run(() => execFileSync('ip', ['route', 'add', 'local', source, 'dev', 'lo']));
  const { port } = await listenIn(namespace, server, { ip: listen, port: 0 });
  const client = await connectIn(namespace, { host, port, source, sourcePort: 40_000 });
  expect(await text(client)).toBe(`${source} 40000`);
});

test('errors of connecting are typed, name the namespace, and leave nothing open', async () => {
  const before = openDescriptors();
  await expect(connectIn(namespace, { host: '127.0.0.1', port: 9 })).rejects.toMatchObject({
    name: 'NetnsError',
    code: 'NETNS_SYSTEM_CALL',
    operation: 'connect',
    errno: 'ECONNREFUSED',
    address: '127.0.0.1:9',
    namespaceId: namespace.id.inode,
    message: `connect 127.0.0.1:9 in netns ${namespace.id.inode}: ECONNREFUSED`,
    cause: { code: 'ECONNREFUSED' },
  });
  await expect(connectIn(namespace, { host: '192.0.2.1', port: 9 })).rejects.toMatchObject({ errno: 'ENETUNREACH' });
  await expect(connectIn(namespace, { host: 'localhost', port: 9 })).rejects.toMatchObject({
    code: 'NETNS_INVALID_ARGUMENT',
    message: '"localhost" is not an IP address (names are not looked up in other namespaces)',
  });
  for (const wrong of [
    { host: 'fe80::1%lo', port: 9 },
    { host: '::1', port: 65_536 },
    { host: '::1', port: 0 },
    { host: '::1', port: 9, source: '127.0.0.1' },
  ])
    await expect(connectIn(namespace, wrong)).rejects.toMatchObject({ code: 'NETNS_INVALID_ARGUMENT' });
  await expect(connectIn(namespace, { host: '::1', port: 9, source: 'ff02::1' })).rejects.toMatchObject({
    operation: 'bind',
    address: '[ff02::1]:0',
  });
  expect(openDescriptors()).toBe(before);
});

test('a signal ends connecting, also within the same tick, and its listener goes away', async () => {
  const { port } = await listenIn(namespace, greeter(), { ip: '127.0.0.1', port: 0 });
  const before = openDescriptors();
  const cancel = new AbortController();
  // Nobody answers: the address is routed into nothing.
  namespace.run(() =>
    execFileSync('sh', [
      '-ec',
      'ip link add sink type veth peer name other; ip link set other up; ip link set sink up; ip addr add 10.66.0.1/24 dev sink; ip neigh add 10.66.0.9 lladdr 02:00:00:00:00:09 dev sink',
    ]),
  );
  const waiting = connectIn(namespace, { host: '10.66.0.9', port: 9, signal: cancel.signal });
  const reason = new Error('no longer wanted');
  setImmediate(() => cancel.abort(reason));
  await expect(waiting).rejects.toBe(reason);
  await expect(connectIn(namespace, { host: '127.0.0.1', port, signal: cancel.signal })).rejects.toBe(reason);
  const now = new AbortController();
  const atOnce = connectIn(namespace, { host: '127.0.0.1', port, signal: now.signal });
  now.abort(reason);
  await expect(atOnce).rejects.toBe(reason);
  const kept = new AbortController();
  const client = await connectIn(namespace, { host: '127.0.0.1', port, signal: kept.signal });
  expect(getEventListeners(kept.signal, 'abort')).toEqual([]);
  client.destroy();
  await once(client, 'close');
  await expect.poll(openDescriptors).toBe(before);
});

test('errors of listening are typed, and the server can try again', async () => {
  const first = greeter();
  const { port } = await listenIn(namespace, first, { ip: '127.0.0.1', port: 0 });
  const before = openDescriptors();
  const second = greeter();
  await expect(listenIn(namespace, second, { ip: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'NETNS_ADDRESS_IN_USE',
    operation: 'bind',
    address: `127.0.0.1:${port}`,
    namespaceId: namespace.id.inode,
  });
  await expect(listenIn(namespace, first, { ip: '127.0.0.1', port: 0 })).rejects.toMatchObject({
    code: 'NETNS_INVALID_ARGUMENT',
  });
  await expect(listenIn(namespace, second, { ip: 'localhost', port: 0 })).rejects.toMatchObject({
    code: 'NETNS_INVALID_ARGUMENT',
  });
  expect(openDescriptors()).toBe(before);
  await listenIn(namespace, second, { ip: '127.0.0.1', port: 0 });
  expect([second.listenerCount('error'), second.listenerCount('close')]).toEqual([0, 0]);
});

test('two servers share a port when both ask for it', async () => {
  const { port } = await listenIn(namespace, greeter(), { ip: '127.0.0.1', port: 0, reusePort: true });
  await listenIn(namespace, greeter(), { ip: '127.0.0.1', port, reusePort: true });
  expect(ss(`sport = ${port}`).trim().split('\n')).toHaveLength(2);
});

test('an option that is undefined is one that is absent', async () => {
  const absent = { reusePort: JSON.parse('{}').none, transparent: JSON.parse('{}').none };
  const server = greeter();
  const { port, transparent } = await listenIn(namespace, server, { ip: '127.0.0.1', port: 0, ...absent });
  expect(transparent).toBe(false);
  expect(readReusePort(descriptorOf(server) ?? -1)).toBe(false);
  await expect(listenIn(namespace, greeter(), { ip: '127.0.0.1', port, reusePort: true })).rejects.toMatchObject({
    code: 'NETNS_ADDRESS_IN_USE',
  });
  const first = await bindIn(namespace, 'udp4', { ip: '127.0.0.1', reusePort: absent.reusePort });
  open.push(first);
  const taken = { ip: '127.0.0.1', port: first.address().port, reusePort: true };
  await expect(bindIn(namespace, 'udp4', taken)).rejects.toMatchObject({ code: 'NETNS_ADDRESS_IN_USE' });
});

test('a signal closes the server; one that aborts in the same tick, or before, is a rejection', async () => {
  const server = greeter();
  const stop = new AbortController();
  await listenIn(namespace, server, { ip: '127.0.0.1', port: 0, signal: stop.signal });
  const closed = once(server, 'close');
  stop.abort(new Error('stop'));
  await closed;
  const other = greeter();
  const soon = new AbortController();
  const listening = listenIn(namespace, other, { ip: '127.0.0.1', port: 0, signal: soon.signal });
  soon.abort(new Error('soon'));
  await expect(listening).rejects.toThrow('soon');
  expect(other.listening).toBe(false);
  await expect(listenIn(namespace, other, { ip: '127.0.0.1', port: 0, signal: soon.signal })).rejects.toThrow('soon');
  open.length = 0;
});

test('UDP: sockets of either family, bound and unbound, talk inside of the namespace', async () => {
  for (const [type, ip] of [
    ['udp4', '127.0.0.1'],
    ['udp6', '::1'],
  ] as const) {
    const server = await bindIn(namespace, type, { ip, port: 0, mark: MARK });
    const client = await bindIn(namespace, createSocket(type));
    open.push(server, client);
    expect(client.address().address).toBe(type === 'udp4' ? '0.0.0.0' : '::');
    server.on('message', (bytes, peer) => server.send(Buffer.concat([bytes, bytes]), peer.port, peer.address));
    client.send('ab', server.address().port, ip);
    const [answer] = await once(client, 'message');
    expect(String(answer)).toBe('abab');
  }
});

test('UDP: a port is one socket’s, errors are typed, and a failed socket is not closed for the caller', async () => {
  const first: UdpSocket = await bindIn(namespace, 'udp4', { ip: '127.0.0.1' });
  open.push(first);
  const before = openDescriptors();
  const again = { ip: '127.0.0.1', port: first.address().port };
  await expect(bindIn(namespace, 'udp4', again)).rejects.toMatchObject({ code: 'NETNS_ADDRESS_IN_USE' });
  await expect(bindIn(namespace, 'udp4', { ...again, reusePort: true })).rejects.toMatchObject({ errno: 'EADDRINUSE' });
  await expect(bindIn(namespace, 'udp4', { ip: '::1' })).rejects.toMatchObject({
    code: 'NETNS_INVALID_ARGUMENT',
    message: 'address ::1 for a socket of type udp4',
  });
  await expect(bindIn(namespace, first, { ip: '127.0.0.1' })).rejects.toMatchObject({
    code: 'NETNS_INVALID_ARGUMENT',
    message: 'the socket is bound already',
  });
  expect([first.listenerCount('listening'), first.listenerCount('error'), first.listenerCount('close')]).toEqual([
    0, 0, 0,
  ]);
  expect(openDescriptors()).toBe(before);
  const own = createSocket('udp4');
  open.push(own);
  await expect(bindIn(namespace, own, again)).rejects.toMatchObject({ code: 'NETNS_ADDRESS_IN_USE' });
  await bindIn(namespace, own, { ip: '127.0.0.1' });
});
