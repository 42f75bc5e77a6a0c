import { EventEmitter, once } from 'node:events';
import { connectSeqpacket } from '@ambientmesh/netns';
import { afterAll, expect, test } from 'vitest';
import { listenZds, type SnapshotWorkload, type ZdsServerOptions } from './index.ts';
import { info, netnsA, netnsB, openDescriptors, REFUSED, SocketFolder, ztunnel } from './testing/ztunnel.ts';

const folder = new SocketFolder();
afterAll(() => folder[Symbol.dispose]());

interface Agent extends AsyncDisposable {
  readonly server: ReturnType<typeof listenZds>;
  until(event: 'connect' | 'snapshot' | 'disconnect'): Promise<unknown>;
}

function agentWith(path: string, pods: readonly SnapshotWorkload[], options: Partial<ZdsServerOptions> = {}): Agent {
  const events = new EventEmitter();
  const server = listenZds({
    path,
    snapshot: () => pods,
    acceptIntervalMs: 0,
    onConnect: (connected) => events.emit('connect', connected),
    onSnapshot: () => events.emit('snapshot'),
    onDisconnect: (connected) => events.emit('disconnect', connected),
    ...options,
  });
  return { server, until: (event) => once(events, event), [Symbol.asyncDispose]: () => server.close() };
}

test('both ends: snapshot, live add and delete, refused add, no ztunnel, and nothing left open', async () => {
  const path = folder.freshPath();
  const before = openDescriptors();
  {
    using netns = netnsA();
    using other = netnsB();
    await using agent = agentWith(path, [
      { uid: 'a', ...info, netns },
      { uid: 'kept', ...info },
    ]);
    await expect(agent.server.add({ uid: 'b', ...info, netns })).rejects.toMatchObject({ code: 'ZDS_NOT_CONNECTED' });
    await agent.server.delete('b');
    const snapshot = agent.until('snapshot');
    await using tunnel = ztunnel(path);
    await snapshot;
    expect(tunnel.client.ready).toBe(true);
    expect(agent.server.connected).toBe(1);
    await agent.server.add({ uid: 'b', ...info, netns });
    expect([...tunnel.proxies.running]).toEqual([
      ['a', netns.id.inode],
      ['b', netns.id.inode],
    ]);
    tunnel.proxies.taken.add(other.id.inode);
    await expect(agent.server.add({ uid: 'c', ...info, netns: other })).rejects.toMatchObject({
      code: 'ZDS_REFUSED',
      message: `got ack error: ${REFUSED}`,
    });
    expect(agent.server.connected).toBe(1);
    await agent.server.delete('a');
    await agent.server.delete('c');
    expect(tunnel.client.ready).toBe(true);
    expect([...tunnel.proxies.running.keys()]).toEqual(['b']);
    const disconnected = agent.until('disconnect');
    await tunnel.client.close();
    await disconnected;
    expect(agent.server.connected).toBe(0);
  }
  expect(openDescriptors()).toBe(before);
});

test('§7: adds go to the newest ztunnel, deletes to all, and a failed pod does not stop a snapshot', async () => {
  const path = folder.freshPath();
  using netns = netnsA();
  using bad = netnsB();
  const pods: SnapshotWorkload[] = [
    { uid: 'bad', ...info, netns: bad },
    { uid: 'a', ...info, netns },
  ];
  await using agent = agentWith(path, pods);
  const firstSnapshot = agent.until('snapshot');
  await using old = ztunnel(path);
  old.proxies.taken.add(bad.id.inode);
  await firstSnapshot;
  const secondSnapshot = agent.until('snapshot');
  await using young = ztunnel(path);
  await secondSnapshot;
  expect(agent.server.connected).toBe(2);
  await agent.server.add({ uid: 'b', ...info, netns });
  expect([...old.proxies.running.keys()]).toEqual(['a']);
  expect([...young.proxies.running.keys()]).toEqual(['bad', 'a', 'b']);
  await agent.server.delete('a');
  expect([...old.proxies.running.keys(), '|', ...young.proxies.running.keys()]).toEqual(['|', 'bad', 'b']);
});

test('§13.20: 250 pods of a snapshot', async () => {
  const path = folder.freshPath();
  using netns = netnsA();
  await using agent = agentWith(
    path,
    Array.from({ length: 250 }, (_, index) => ({ uid: `pod${index}`, ...info, netns })),
  );
  const snapshot = agent.until('snapshot');
  await using tunnel = ztunnel(path);
  await snapshot;
  expect(tunnel.proxies.running.size).toBe(250);
});

test('§7: a ztunnel without hello, or that talks out of turn, is dropped; one that never answers is kept after its snapshot', async () => {
  const path = folder.freshPath();
  await using agent = agentWith(path, [], { deadlineMs: 50 });
  const silent = await connectSeqpacket(path);
  expect(await silent.receive()).toBeUndefined();
  const chatty = await connectSeqpacket(path);
  await chatty.send(Buffer.from('0801', 'hex'));
  expect(Buffer.from((await chatty.receive())?.bytes ?? []).toString('hex')).toBe('1a00');
  const disconnected = agent.until('disconnect');
  await chatty.send(Buffer.from('0a00', 'hex'));
  await chatty.send(Buffer.from('0a00', 'hex'));
  await disconnected;
  const mute = await connectSeqpacket(path);
  const snapshot = agent.until('snapshot');
  await mute.send(Buffer.from('0801', 'hex'));
  await mute.receive();
  await mute.send(Buffer.from('0a00', 'hex'));
  await snapshot;
  await expect(agent.server.delete('x')).rejects.toMatchObject({ code: 'ZDS_TIMEOUT' });
  expect(agent.server.connected).toBe(1);
  const pending = agent.server.delete('y');
  mute.close();
  await pending;
  const stuck = await connectSeqpacket(path);
  await stuck.send(Buffer.from('0801', 'hex'));
  await stuck.receive();
  // The snapshot is never answered: the agent gives up on this connection.
  expect(await stuck.receive()).toBeUndefined();
  for (const each of [silent, chatty, stuck]) each.close();
});

test('a ztunnel that sends descriptors is dropped, and they are closed', async () => {
  const path = folder.freshPath();
  await using agent = agentWith(path, []);
  using netns = netnsA();
  const before = openDescriptors();
  const early = await connectSeqpacket(path);
  await early.send(Buffer.from('0801', 'hex'), [netns.fd]);
  expect(await early.receive()).toBeUndefined();
  early.close();
  const late = await connectSeqpacket(path);
  await late.send(Buffer.from('0801', 'hex'));
  await late.receive();
  const disconnected = agent.until('disconnect');
  await late.send(Buffer.from('0a00', 'hex'), [netns.fd, netns.fd]);
  await disconnected;
  late.close();
  expect(openDescriptors()).toBe(before);
});

test('§13.11: ztunnel finds the agent that was started again', async () => {
  const path = folder.freshPath();
  using netns = netnsA();
  const first = agentWith(path, [
    { uid: 'a', ...info, netns },
    { uid: 'b', ...info, netns },
  ]);
  const firstSnapshot = first.until('snapshot');
  await using tunnel = ztunnel(path);
  await firstSnapshot;
  await first.server.close();
  await tunnel.readinessIs(false);
  expect([...tunnel.proxies.running.keys()]).toEqual(['a', 'b']);
  await using second = agentWith(path, [{ uid: 'b', ...info, netns }]);
  const secondSnapshot = second.until('snapshot');
  await tunnel.clock.tick();
  await secondSnapshot;
  expect([...tunnel.proxies.running.keys()]).toEqual(['b']);
  expect(tunnel.proxies.events).toEqual(['start a', 'start b', 'stop a']);
});
