import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { createReactorEngine } from '../engine.ts';
import { openDescriptors } from '../testing/engine-rig.ts';

const engine = createReactorEngine({ debug: true });
afterAll(() => engine.close());

describe('a listener', () => {
  test.each([
    { ip: '127.0.0.1', from: '127.0.0.1', peer: '127.0.0.1' },
    { ip: '::1', from: '::1', peer: '::1' },
    { ip: '::', from: '::1', peer: '::1' },
    // v4-mapped addresses are written as v4.
    { ip: '::', from: '127.0.0.1', peer: '127.0.0.1' },
  ])('on $ip hears $from', async ({ ip, from, peer }) => {
    const { descriptor, local } = engine.openListener({ ip, port: 0 });
    expect(local).toEqual({ ip, port: expect.any(Number) });
    const peers: string[] = [];
    const listening = engine.listen(descriptor, {
      accepted: (plain) => {
        peers.push(plain.remote.ip);
        plain.close();
      },
      failed: () => {},
    });
    const socket = connect(local.port, from).resume();
    await once(socket, 'connect');
    while (peers.length === 0) engine.turn();
    await once(socket, 'close');
    expect(peers).toEqual([peer]);
    listening.close();
  });

  test('shares its port only when both are asked to', () => {
    const before = openDescriptors();
    const first = engine.openListener({ ip: '127.0.0.1', port: 0, reusePort: true });
    const { port } = first.local;
    const second = engine.openListener({ ip: '127.0.0.1', port, reusePort: true });
    expect(() => engine.openListener({ ip: '127.0.0.1', port })).toThrow(
      expect.objectContaining({
        code: 'REACTOR_SYSTEM_CALL',
        operation: 'bind',
        errno: 'EADDRINUSE',
        message: `bind 127.0.0.1 port ${port}: EADDRINUSE`,
      }),
    );
    for (const { descriptor } of [first, second])
      engine.listen(descriptor, { accepted: () => {}, failed: () => {} }).close();
    expect(openDescriptors()).toBe(before);
  });
});

test.each([
  { ip: 'localhost', port: 80 },
  { ip: '', port: 80 },
  { ip: 'fe80::1%eth0', port: 80 },
  { ip: '127.0.0.1', port: 65_536 },
  { ip: '127.0.0.1', port: Number.NaN },
])('$ip port $port is no address', (address) => {
  const refusal = expect.objectContaining({ code: 'REACTOR_INVALID_ARGUMENT' });
  expect(() => engine.openListener(address)).toThrow(refusal);
  expect(() => engine.openSocket(address)).toThrow(refusal);
});

test.each(['127.0.0.1', '::1'])('a socket of its own reaches a listener of its own, on %s', (ip) => {
  const { descriptor, local } = engine.openListener({ ip, port: 0 });
  const remotes: unknown[] = [];
  const listening = engine.listen(descriptor, { accepted: (plain) => plain.close(), failed: () => {} });
  engine.connect(
    { descriptor: engine.openSocket(local), to: local, timeoutMs: 10_000 },
    {
      connected: (plain) => {
        remotes.push(plain.remote);
        plain.close();
      },
      failed: ({ message }) => {
        throw new Error(message);
      },
    },
  );
  while (remotes.length === 0) engine.turn();
  listening.close();
  expect(remotes).toEqual([local]);
});
