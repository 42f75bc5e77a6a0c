import { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { RouteSocket } from '../index.ts';

test('the namespace of the calling thread is read without privilege', () => {
  const socket = RouteSocket.open();
  const names = socket.links().map(({ name }) => name);
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    expect(names).toContain(name);
    const found = socket.addresses(name).map(({ address }) => address);
    for (const { cidr } of addresses) expect(found).toContain(cidr);
  }
  for (const { dst, table } of socket.routes()) expect([typeof dst, typeof table]).toEqual(['string', 'number']);
  expect(socket.rules(4).map(({ table }) => table)).toContain(255);
  socket.close();
  expect(() => socket.links()).toThrow(expect.objectContaining({ code: 'NETNS_CLOSED' }));
});
