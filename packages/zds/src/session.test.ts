import { EventEmitter, once } from 'node:events';
import { mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectSeqpacket, listenSeqpacket, Namespace, NetnsError, type SeqpacketConnection } from '@ambientmesh/netns';
import { afterAll, expect, test } from 'vitest';
import {
  encodeRequest,
  listenZds,
  type ProxyHandler,
  type SnapshotWorkload,
  type WorkloadInfo,
  ZdsClient,
  type ZdsClientOptions,
  type ZdsLogger,
  type ZdsServerOptions,
} from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'zds-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let sockets = 0;
const freshPath = (): string => join(folder, `${(sockets += 1)}.sock`);
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;
/** Any two namespace files are two namespaces for the protocol; making network namespaces needs root. */
const netnsA = (): Namespace => Namespace.open('/proc/self/ns/net');
const netnsB = (): Namespace => Namespace.open('/proc/self/ns/mnt');
const info: WorkloadInfo = { name: 'name', namespace: 'ns', serviceAccount: 'sa' };
const addrInUse = (): NetnsError =>
  new NetnsError('NETNS_ADDRESS_IN_USE', 'taken', {
    operation: 'bind',
    address: '[::]:15008',
    errno: 'EADDRINUSE',
    errnoNumber: 98,
    reason: 'Address already in use',
  });
const REFUSED =
  'failure to start proxy : Bind([::]:15008, Os { code: 98, kind: AddrInUse, message: "Address already in use" })';

/** Proxies that are only remembered; `taken` namespaces cannot be had. */
class Proxies extends EventEmitter implements ProxyHandler {
  readonly running = new Map<string, bigint>();
  readonly events: string[] = [];
  readonly taken = new Set<bigint>();

  start(uid: string, _info: WorkloadInfo, netns: Namespace): Promise<void> {
    if (this.taken.has(netns.id.inode)) return Promise.reject(addrInUse());
    this.running.set(uid, netns.id.inode);
    this.events.push(`start ${uid}`);
    return Promise.resolve();
  }

  stop(uid: string): void {
    this.running.delete(uid);
    this.events.push(`stop ${uid}`);
  }
}

/** Log lines in the form `level scope message k=v`. */
class Lines {
  readonly lines: string[] = [];
  readonly loggerFor = (scope: string): ZdsLogger => {
    const log =
      (level: string): ZdsLogger['info'] =>
      (fields, message) => {
        const text = fields.map(
          ([key, value]) => ` ${key}=${typeof value === 'object' ? value.bare : JSON.stringify(value)}`,
        );
        this.lines.push(`${level} ${scope} ${message}${text.join('')}`);
      };
    return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  };
}

/** Sleeps end when told. */
class ManualClock extends EventEmitter {
  readonly sleeps: { readonly milliseconds: number; end(): void }[] = [];
  readonly asked: number[] = [];

  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => reject(new Error('aborted')));
    this.sleeps.push({ milliseconds, end: resolve });
    this.asked.push(milliseconds);
    this.emit('sleep');
    return promise;
  }

  random(): number {
    return 0.5;
  }

  async sleeping(): Promise<void> {
    if (this.sleeps.length === 0) await once(this, 'sleep');
  }

  /** Ends the next sleep, waiting until there is one. */
  async tick(): Promise<number> {
    await this.sleeping();
    const sleep = this.sleeps.shift();
    sleep?.end();
    return sleep?.milliseconds ?? 0;
  }
}

interface Ztunnel extends AsyncDisposable {
  readonly client: ZdsClient;
  readonly proxies: Proxies;
  readonly lines: string[];
  readonly clock: ManualClock;
  readonly ended: Promise<unknown>;
  readonly stop: AbortController;
  readonly readiness: boolean[];
  readinessIs(ready: boolean): Promise<void>;
}

function ztunnel(path: string, options: Partial<ZdsClientOptions> = {}): Ztunnel {
  const proxies = new Proxies();
  const { lines, loggerFor } = new Lines();
  const clock = new ManualClock();
  const changes = new EventEmitter();
  const readiness: boolean[] = [];
  const onReadiness = (ready: boolean): void => {
    readiness.push(ready);
    changes.emit('change');
  };
  const client = new ZdsClient({ path, handler: proxies, loggerFor, clock, onReadiness, ...options });
  const stop = new AbortController();
  const ended = client.run(stop.signal).catch((error: unknown) => error);
  return {
    client,
    proxies,
    lines,
    clock,
    ended,
    stop,
    readiness,
    async readinessIs(ready) {
      while (client.ready !== ready) await once(changes, 'change');
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** An agent that says what a test tells it to. */
async function rawAgent(path: string): Promise<AsyncDisposable & { accept(): Promise<Peer> }> {
  const server = listenSeqpacket(path);
  return {
    async accept() {
      const connection = await server.accept();
      if (connection === undefined) throw new Error('closed');
      const hello = await connection.receive();
      expect(Buffer.from(hello?.bytes ?? []).toString('hex')).toBe('0801');
      return new Peer(connection);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

class Peer {
  readonly connection: SeqpacketConnection;

  constructor(connection: SeqpacketConnection) {
    this.connection = connection;
  }

  /** Sends a packet, returns the answer as hexadecimal text, `eof` at the end. */
  async ask(packet: Uint8Array, fds: readonly number[] = []): Promise<string> {
    await this.connection.send(packet, fds);
    return this.next();
  }

  async next(): Promise<string> {
    const answer = await this.connection.receive();
    return answer === undefined ? 'eof' : Buffer.from(answer.bytes).toString('hex');
  }

  add(uid: string, netns: Namespace): Promise<string> {
    return this.ask(encodeRequest({ type: 'add', uid, info }), [netns.fd]).finally(() => netns.close());
  }
}

const OK = '0a00';
const SNAPSHOT = encodeRequest({ type: 'snapshot-sent' });
const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, value >> 7]);
const nack = (error: string): string => {
  const text = Buffer.from(error);
  const inner = Buffer.from([0x0a, ...varint(text.length), ...text]);
  return Buffer.from([0x0a, ...varint(inner.length), ...inner]).toString('hex');
};

/** Recorded answers of the reference ztunnel (vectors zds-errors). */
test.each([
  {
    name: 'add without descriptor',
    packet: encodeRequest({ type: 'add', uid: 'u', info }),
    fds: [],
    problem: 'No control message',
    answer: '0a2e0a2c6661696c75726520746f2072656164206d657373616765203a204e6f20636f6e74726f6c206d657373616765',
  },
  {
    name: 'delete with descriptor',
    packet: encodeRequest({ type: 'delete', uid: 'u' }),
    fds: [0],
    problem: 'Unexpected control message',
    answer:
      '0a360a346661696c75726520746f2072656164206d657373616765203a20556e657870656374656420636f6e74726f6c206d657373616765',
  },
  {
    name: 'not decodable',
    packet: Buffer.from('0801ff', 'hex'),
    fds: [],
    problem:
      'failed to decode Protobuf message: WorkloadRequest.payload: invalid wire type: Varint (expected LengthDelimited)',
    answer:
      '0a8d010a8a016661696c75726520746f2072656164206d657373616765203a206661696c656420746f206465636f64652050726f746f627566206d6573736167653a20576f726b6c6f6164526571756573742e7061796c6f61643a20696e76616c6964207769726520747970653a20566172696e7420286578706563746564204c656e67746844656c696d6974656429',
  },
  {
    name: 'unknown payload number 4',
    packet: Buffer.from('2200', 'hex'),
    fds: [],
    problem: 'no payload',
    answer: '0a260a246661696c75726520746f2072656164206d657373616765203a206e6f207061796c6f6164',
  },
  {
    name: 'longer than 1024',
    packet: Buffer.alloc(1_025, 0x0a),
    fds: [],
    problem: 'received truncated message',
    answer:
      '0a360a346661696c75726520746f2072656164206d657373616765203a207265636569766564207472756e6361746564206d657373616765',
  },
  {
    name: 'two descriptors',
    packet: encodeRequest({ type: 'add', uid: 'u', info }),
    fds: [0, 0],
    problem: 'Expected 1 FD, got 2',
    answer: nack('failure to read message : Expected 1 FD, got 2'),
  },
])(
  '§4: $name: answered, reconnected at once, proxies stay up, no descriptor leaks',
  async ({ packet, fds, problem, answer }) => {
    const path = freshPath();
    await using agent = await rawAgent(path);
    await using tunnel = ztunnel(path);
    const first = await agent.accept();
    expect(await first.add('kept', netnsA())).toBe(OK);
    expect(await first.ask(SNAPSHOT)).toBe(OK);
    const before = openDescriptors();
    const next = agent.accept();
    expect(await first.ask(packet, fds)).toBe(answer);
    expect(await first.next()).toBe('eof');
    first.connection.close();
    const second = await next;
    expect(openDescriptors()).toBe(before);
    expect([...tunnel.proxies.running.keys()]).toEqual(['kept']);
    expect(tunnel.clock.asked).toEqual([]);
    expect(tunnel.readiness).toEqual([true, false]);
    expect(tunnel.lines.slice(-3)).toEqual([
      `error inpod::workloadmanager failed to read message: ${problem}`,
      `warn inpod::workloadmanager process stream ended: ReceiveMessageError(${JSON.stringify(problem)})`,
      'info inpod::workloadmanager handling new stream',
    ]);
    second.connection.close();
  },
);

test('§4: a descriptor that is no network namespace is logged and accepted', async () => {
  const path = freshPath();
  await using agent = await rawAgent(path);
  await using tunnel = ztunnel(path);
  const peer = await agent.accept();
  expect(await peer.add('odd', Namespace.ofDescriptor(openSync(process.execPath, 'r')))).toBe(OK);
  expect(tunnel.lines).toContainEqual(
    expect.stringMatching(/^warn inpod::protocol received descriptor is not a network namespace inode="\d+"$/),
  );
  peer.connection.close();
});

/** Recorded answers of the reference ztunnel (vectors zds-fatal-*). */
test.each([
  {
    name: 'keep after the snapshot',
    reason: 'pod keep received after snapshot',
    packet: encodeRequest({ type: 'keep', uid: 'u' }),
    answer:
      '0a500a4e6661696c75726520746f2070726f63657373206d657373616765203a2050726f746f636f6c4572726f722822706f64206b65657020726563656976656420616674657220736e617073686f742229',
  },
  {
    name: 'second snapshot',
    reason: 'pod snapshot received already',
    packet: SNAPSHOT,
    answer:
      '0a4d0a4b6661696c75726520746f2070726f63657373206d657373616765203a2050726f746f636f6c4572726f722822706f6420736e617073686f7420726563656976656420616c72656164792229',
  },
  {
    name: 'add without info',
    reason: 'workload_info is required but not present',
    packet: encodeRequest({ type: 'add', uid: 'u', info: undefined }),
    fds: [0],
    answer: nack('failure to process message : ProtocolError("workload_info is required but not present")'),
  },
])('§6: $name is fatal, after an answer', async ({ packet, fds, answer, reason }) => {
  const path = freshPath();
  await using agent = await rawAgent(path);
  await using tunnel = ztunnel(path);
  const peer = await agent.accept();
  expect(await peer.ask(SNAPSHOT)).toBe(OK);
  const before = openDescriptors();
  expect(await peer.ask(packet, fds)).toBe(answer);
  expect(await peer.next()).toBe('eof');
  expect(await tunnel.ended).toMatchObject({ name: 'ZdsError', code: 'ZDS_PROTOCOL_FATAL' });
  expect(openDescriptors()).toBe(before - 1);
  expect(tunnel.client.ready).toBe(false);
  expect(tunnel.lines.slice(-2)).toEqual([
    `error inpod::workloadmanager failed to process message: ProtocolError("${reason}")`,
    'error inpod::workloadmanager protocol mismatch error while processing stream, shutting down',
  ]);
  peer.connection.close();
});

test('§10: ready with the snapshot, not before, and already at its ack; not ready once disconnected', async () => {
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
  const path = freshPath();
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
