import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { closeDescriptor, Namespace, readMark, readNoDelay, readTransparent, TcpStock } from './index.ts';
import { native } from './native.ts';
import { decodeSocketAddress } from './socket-address.ts';

let namespace: Namespace;
let stock: TcpStock;
const taken: number[] = [];

beforeEach(() => {
  namespace = Namespace.create();
  stock = new TcpStock(namespace, { mark: 1337, keepAlive: false });
});
afterEach(() => {
  for (const fd of taken.splice(0)) closeDescriptor(fd);
  stock.close();
  namespace.close();
});

const countSockets = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
const take = (source?: string) => {
  const socket = stock.take(source === undefined ? { family: 4 } : { family: 4, source });
  taken.push(socket.fd);
  return socket;
};

test('the more are taken, the more are held, 32 a family at most; each is a socket of its own', () => {
  const sizes = Array.from({ length: 130 }, () => {
    take();
    return stock.size;
  });
  // 1, then 2, 4, 8, 16, 32 and 32 again are made at once, of which one is taken.
  expect(sizes.slice(0, 8)).toEqual([0, 1, 0, 3, 2, 1, 0, 7]);
  expect(Math.max(...sizes)).toBe(31);
  expect(new Set(taken).size).toBe(130);
});

test('sockets have what all have in common, and the source of the one that takes them', () => {
  const [first, second, third] = [take(), take('10.77.0.9'), take()];
  for (const { fd } of [first, second, third]) expect([readMark(fd), readNoDelay(fd)]).toEqual([1337, true]);
  expect([first, second, third].map(({ sourceKept }) => sourceKept)).toEqual([false, true, false]);
  expect([first, second, third].map(({ fd }) => readTransparent(fd))).toEqual([false, true, false]);
});

const portOf = (fd: number): number => {
  const address = Buffer.alloc(32);
  const length = Buffer.alloc(4);
  length.writeInt32LE(address.length);
  native().getsockname(fd, address, length);
  return decodeSocketAddress(address).port;
};

test('connections to somewhere have ports one after the other, of their own parity; somewhere else may have the same', () => {
  const to = { ip: '10.77.0.1', port: 80 };
  const fds = Array.from({ length: 4 }, () => stock.take({ family: 4, source: '10.77.0.9', to }));
  taken.push(...fds.map(({ fd }) => fd));
  const ports = fds.map(({ fd }) => portOf(fd));
  const [low = 0] = namespace
    .run(() => readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1'))
    .split(/\s/)
    .map(Number);
  expect(new Set(ports.map((port) => (port - low) % 2))).toEqual(new Set([1]));
  expect(ports.slice(1).filter((port, index) => port !== ports[index]! + 2).length).toBeLessThan(2);
  expect(fds.map(({ sourceKept }) => sourceKept)).toEqual([true, true, true, true]);
});

test('a port that another socket has in earnest is left to it', () => {
  const range = '40000 40001';
  namespace.run(() => writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', range));
  const strict = stock.take({ family: 4, source: '10.77.0.9', sourcePort: 40_001 });
  const other = stock.take({ family: 4, source: '10.77.0.9', to: { ip: '10.77.0.1', port: 80 } });
  taken.push(strict.fd, other.fd);
  expect([portOf(strict.fd), portOf(other.fd), other.sourceKept]).toEqual([40_001, 40_000, true]);
});

test('where ports are reserved the kernel chooses', () => {
  namespace.run(() => writeFileSync('/proc/sys/net/ipv4/ip_local_reserved_ports', '40000-50000'));
  const to = { ip: '10.77.0.1', port: 80 };
  for (let count = 0; count < 20; count++) {
    const { fd } = stock.take({ family: 4, source: '10.77.0.9', to });
    taken.push(fd);
    const port = portOf(fd);
    expect(port < 40_000 || port > 50_000).toBe(true);
  }
});

test('what nobody wanted between two calls of `trim` is closed', () => {
  const before = countSockets();
  for (let count = 0; count < 4; count++) take();
  expect(stock.size).toBe(3);
  expect(stock.trim()).toBe(false);
  take();
  expect(stock.trim()).toBe(false);
  expect(stock.trim()).toBe(true);
  expect(countSockets()).toBe(before + taken.length);
  take();
  expect(stock.size).toBe(0);
});

test('a stock that is closed has closed its sockets, and can be used again', () => {
  const before = countSockets();
  for (let count = 0; count < 4; count++) take();
  stock.close();
  stock.close();
  expect([stock.size, countSockets()]).toEqual([0, before + 4]);
  take();
  expect(countSockets()).toBe(before + 5);
});

test('refused as by openTcp, with nothing left open', () => {
  const before = countSockets();
  const strange = { family: 4, source: '::1', requireSource: true } as const;
  expect(() => stock.take(strange)).toThrow(expect.objectContaining({ code: 'NETNS_INVALID_ARGUMENT' }));
  namespace.close();
  expect(() => stock.take({ family: 4 })).toThrow(expect.objectContaining({ code: 'NETNS_CLOSED' }));
  expect(countSockets()).toBe(before);
});
