import { afterAll, expect, test } from 'vitest';
import { encodeRequest } from './index.ts';
import { nack, OK, rawAgent, SNAPSHOT } from './testing/raw-agent.ts';
import { info, netnsA, netnsB, openDescriptors, REFUSED, SocketFolder, ztunnel } from './testing/ztunnel.ts';

const folder = new SocketFolder();
afterAll(() => folder[Symbol.dispose]());

test('§10: ready with the snapshot, not before, and already at its ack; not ready once disconnected', async () => {
  const path = folder.freshPath();
  await using agent = await rawAgent(path);
  await using tunnel = ztunnel(path);
  const peer = await agent.accept();
  expect(await peer.add('u', netnsA())).toBe(OK);
  expect(tunnel.client.ready).toBe(false);
  expect(await peer.ask(SNAPSHOT)).toBe(OK);
  expect(tunnel.client.ready).toBe(true);
  peer.connection.close();
  await tunnel.readinessIs(false);
  (await agent.accept()).connection.close();
});

test('§6.2: the same namespace again is one proxy, another one replaces it', async () => {
  const path = folder.freshPath();
  await using agent = await rawAgent(path);
  await using tunnel = ztunnel(path);
  const peer = await agent.accept();
  expect(await peer.add('u', netnsA())).toBe(OK);
  const before = openDescriptors();
  expect(await peer.add('u', netnsA())).toBe(OK);
  expect(openDescriptors()).toBe(before);
  expect(tunnel.client.counters).toEqual({ activeCount: 1, pendingCount: 0, startedTotal: 1, stoppedTotal: 0 });
  expect(await peer.add('u', netnsB())).toBe(OK);
  expect(tunnel.client.counters).toEqual({ activeCount: 1, pendingCount: 0, startedTotal: 2, stoppedTotal: 1 });
  expect(openDescriptors()).toBe(before);
  expect(tunnel.proxies.events).toEqual(['start u', 'stop u', 'start u']);
  expect(tunnel.client.workloads()).toEqual(new Map([['u', { state: 'Up', info }]]));
  peer.connection.close();
});

test('§8, §13.8: a taken port is refused, pending, retried and then ready', async () => {
  const path = folder.freshPath();
  await using agent = await rawAgent(path);
  await using tunnel = ztunnel(path);
  const peer = await agent.accept();
  const netns = netnsA();
  tunnel.proxies.taken.add(netns.id.inode);
  expect(await peer.add('px', netns)).toBe(nack(REFUSED));
  expect(await peer.ask(SNAPSHOT)).toBe(OK);
  expect(tunnel.client.ready).toBe(false);
  expect(tunnel.client.workloads()).toEqual(new Map([['px', { state: 'Pending', info }]]));
  expect(tunnel.client.counters).toEqual({ activeCount: 0, pendingCount: 1, startedTotal: 0, stoppedTotal: 0 });
  expect(await tunnel.clock.tick()).toBe(5_000);
  // The wait was for a packet: the one that comes now is not lost.
  expect(await peer.ask(encodeRequest({ type: 'delete', uid: 'nobody' }))).toBe(OK);
  tunnel.proxies.taken.clear();
  expect(await tunnel.clock.tick()).toBe(5_000);
  await tunnel.readinessIs(true);
  expect(tunnel.client.counters).toEqual({ activeCount: 1, pendingCount: 0, startedTotal: 1, stoppedTotal: 0 });
  expect(tunnel.client.workloads()).toEqual(new Map([['px', { state: 'Up', info }]]));
  expect(tunnel.lines).toEqual([
    'info inpod::workloadmanager handling new stream',
    'info inpod::statemanager pod received, starting proxy uid="px" name="name" namespace="ns"',
    'error inpod::workloadmanager failed to start proxy: Bind([::]:15008, Os { code: 98, kind: AddrInUse, message: "Address already in use" }) uid=px',
    'info inpod::workloadmanager scheduling retry uids=["px"]',
    'info inpod::statemanager received snapshot sent',
    'info inpod::statemanager retrying workload uid="px"',
    'info inpod::statemanager retrying workload failed: failed to bind to address [::]:15008: Address already in use (os error 98) uid="px"',
    'info inpod::workloadmanager scheduling retry uids=["px"]',
    'info inpod::statemanager pod delete request, shutting down proxy uid="nobody"',
    'info inpod::statemanager retrying workload uid="px"',
  ]);
  peer.connection.close();
});

test('§13.9: a good add of the same uid elsewhere ends the retrying', async () => {
  const path = folder.freshPath();
  await using agent = await rawAgent(path);
  await using tunnel = ztunnel(path);
  const peer = await agent.accept();
  const netns = netnsA();
  tunnel.proxies.taken.add(netns.id.inode);
  expect(await peer.add('u', netns)).toBe(nack(REFUSED));
  expect(await peer.add('u', netnsB())).toBe(OK);
  expect(await peer.ask(SNAPSHOT)).toBe(OK);
  expect(tunnel.client.ready).toBe(true);
  await tunnel.clock.tick();
  expect(await peer.ask(encodeRequest({ type: 'delete', uid: 'nobody' }))).toBe(OK);
  expect(tunnel.proxies.events).toEqual(['start u']);
  peer.connection.close();
});

test.each(['before', 'after'])('§13.10: a failed add is forgotten by a delete %s the snapshot', async (when) => {
  const path = folder.freshPath();
  await using agent = await rawAgent(path);
  await using tunnel = ztunnel(path);
  const peer = await agent.accept();
  const netns = netnsA();
  tunnel.proxies.taken.add(netns.id.inode);
  const before = openDescriptors() - 1;
  expect(await peer.add('u', netns)).toBe(nack(REFUSED));
  const steps = [encodeRequest({ type: 'delete', uid: 'u' }), SNAPSHOT];
  for (const step of when === 'before' ? steps : steps.toReversed()) expect(await peer.ask(step)).toBe(OK);
  expect(tunnel.client.ready).toBe(true);
  expect(openDescriptors()).toBe(before);
  // As the reference does.
  expect(tunnel.client.workloads()).toEqual(new Map([['u', { state: 'Pending', info }]]));
  peer.connection.close();
});

test('§13.11-13: a new snapshot decides what survives; keep keeps, an unknown keep does nothing', async () => {
  const path = folder.freshPath();
  await using agent = await rawAgent(path);
  await using tunnel = ztunnel(path);
  const first = await agent.accept();
  for (const uid of ['uid0', 'uid1', 'uid2']) expect(await first.add(uid, netnsA())).toBe(OK);
  expect(await first.ask(SNAPSHOT)).toBe(OK);
  first.connection.close();
  const second = await agent.accept();
  expect(tunnel.proxies.running.size).toBe(3);
  expect(await second.add('uid1', netnsA())).toBe(OK);
  expect(await second.ask(encodeRequest({ type: 'keep', uid: 'uid2' }))).toBe(OK);
  expect(await second.ask(encodeRequest({ type: 'keep', uid: 'unknown' }))).toBe(OK);
  expect(await second.ask(encodeRequest({ type: 'delete', uid: 'uid2' }))).toBe(OK);
  expect(tunnel.proxies.running.size).toBe(3);
  expect(await second.ask(encodeRequest({ type: 'keep', uid: 'uid2' }))).toBe(OK);
  expect(await second.ask(SNAPSHOT)).toBe(OK);
  expect([...tunnel.proxies.running.keys()]).toEqual(['uid1', 'uid2']);
  expect(tunnel.client.counters).toEqual({ activeCount: 2, pendingCount: 0, startedTotal: 3, stoppedTotal: 1 });
  expect(await second.ask(encodeRequest({ type: 'delete', uid: 'uid1' }))).toBe(OK);
  expect(await second.add('uid1', netnsA())).toBe(OK);
  expect(tunnel.proxies.events.slice(-3)).toEqual(['stop uid0', 'stop uid1', 'start uid1']);
  second.connection.close();
});

test('§8: connecting backs off from 20 ms, and starts afresh', async () => {
  const path = folder.freshPath();
  await using tunnel = ztunnel(path);
  for (const wait of [20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_240, 15_000])
    expect(await tunnel.clock.tick()).toBe(wait);
  expect(await tunnel.clock.tick()).toBe(15_000);
  await tunnel.clock.sleeping();
  await using agent = await rawAgent(path);
  await tunnel.clock.tick();
  (await agent.accept()).connection.close();
  (await agent.accept()).connection.close();
  await agent[Symbol.asyncDispose]();
  while ((await tunnel.clock.tick()) !== 20) expect(tunnel.client.ready).toBe(false);
  expect(tunnel.lines).toContainEqual(
    expect.stringMatching(
      /^warn inpod::workloadmanager failed to connect to the node agent, retrying: .* path=".*" error="connect .*ENOENT/,
    ),
  );
});

test('a drain ends the reading with the lines operators know, proxies stay up', async () => {
  const path = folder.freshPath();
  await using agent = await rawAgent(path);
  await using tunnel = ztunnel(path);
  const peer = await agent.accept();
  expect(await peer.add('u', netnsA())).toBe(OK);
  expect(await peer.ask(SNAPSHOT)).toBe(OK);
  tunnel.stop.abort();
  expect(await tunnel.ended).toBeUndefined();
  expect(await peer.next()).toBe('eof');
  expect(tunnel.readiness).toEqual([true, false]);
  expect([...tunnel.proxies.running.keys()]).toEqual(['u']);
  expect(tunnel.lines.slice(-3)).toEqual([
    'info inpod::protocol workload proxy manager: drain requested',
    'info inpod::workloadmanager process stream ended with eof',
    'info inpod::workloadmanager drain requested',
  ]);
  peer.connection.close();
});
