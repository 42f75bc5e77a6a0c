/** Policies against new and running connections (spec policy.md §4.4, §4.5, §5), with real sockets and real TLS. */
import { once } from 'node:events';
import { Socket } from 'node:net';
import type { Match, Policy } from '@ambientmesh/policy';
import { afterEach, expect, test, vi } from 'vitest';
import { DRAINED } from '../data-plane/pod.ts';
import type { DataPlaneConfig, StateChange } from '../data-plane/protocol.ts';
import { StateChanges } from '../data-plane/state-changes.ts';
import {
  createAuthority,
  createTestPod,
  issueMaterial,
  listen,
  listenSockets,
  type TestPod,
} from '../data-plane/testing/test-pod.ts';
import { OutboundConnection } from '../outbound/outbound-connection.ts';
import { workload } from '../state/fixtures.ts';
import { HboneConnection } from './hbone-connection.ts';
import { MISSING_POLICY_GRACE_MS } from './missing-policies.ts';
import { PlaintextConnection } from './plaintext-connection.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => void undos.push(undo);
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const authority = await createAuthority();
const [serverCertificate, clientCertificate] = await Promise.all([
  issueMaterial(authority, 'default'),
  issueMaterial(authority, 'client'),
]);
const CLIENT = { name: 'client', namespace: 'default', serviceAccount: 'client' };
const server = workload({ name: 'server', ips: ['127.0.0.1'] });
const client = workload({ name: 'client', serviceAccount: 'client', ips: ['127.0.0.9'] });
const PRINCIPAL = 'cluster.local/ns/default/sa/client';
const CHANGED = 'error="connection closed due to policy change"';

const principal = (value: string): Match => ({ principals: [{ kind: 'exact', value }] });

function policy(name: string, action: Policy['action'], match: Match, over: Partial<Policy> = {}): Policy {
  return { name, namespace: 'default', scope: 'Namespace', action, dryRun: false, rules: [[[match]]], ...over };
}

const put = (...args: Parameters<typeof policy>): StateChange => ({ type: 'policy', policy: policy(...args) });
const names = (...authorizationPolicies: string[]): StateChange => {
  return { type: 'workload', workload: { ...server, authorizationPolicies }, endpoints: [] };
};

/** Waits for what is about to be. */
const until = (check: () => void): Promise<void> => vi.waitFor(check, { interval: 2, timeout: 5000 });

/** Resolves when everything that was to be judged again has been. */
const rechecked = ({ context }: TestPod): Promise<void> =>
  new Promise((resolve) => {
    context.rechecks.request({
      recheck: () => {
        resolve();
        return [].values();
      },
    });
  });

/** How one end of a connection ended. */
interface End {
  readonly socket: Socket;
  readonly received: () => string;
  /** Undefined: not yet. */
  readonly end: () => string | undefined;
}

function watch(socket: Socket): End {
  const chunks: Buffer[] = [];
  let end: string | undefined;
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  socket.on('end', () => void (end ??= 'FIN'));
  socket.on('error', (error: NodeJS.ErrnoException) => void (end ??= error.code));
  cleanup(() => socket.destroy());
  return { socket, received: () => Buffer.concat(chunks).toString(), end: () => end };
}

async function call(port: number, text: string): Promise<End> {
  const end = watch(new Socket({ allowHalfOpen: true }));
  end.socket.connect({ port, host: '127.0.0.1' });
  await once(end.socket, 'connect');
  end.socket.write(text);
  return end;
}

/** A server pod behind 15008 or 15006 whose application answers with what it gets, and who calls it. */
async function serve(kind: 'hbone' | 'plaintext', config: Partial<DataPlaneConfig> = {}) {
  const inbound = createTestPod({ config });
  const changes = new StateChanges(inbound.context, () => [inbound.pod]);
  const apply = (...all: readonly StateChange[]): void => changes.apply(all);
  apply({ type: 'workload', workload: client, endpoints: [] }, names());
  const inboundPort = await listen(
    (plain) =>
      inbound.serve(
        kind === 'hbone' ? new HboneConnection(inbound.pod, plain) : new PlaintextConnection(inbound.pod, plain),
      ),
    cleanup,
  );
  closing(inbound);
  inbound.context.certificates.put(serverCertificate);
  const applications: End[] = [];
  const application = await listenSockets((socket) => {
    applications.push(watch(socket));
    socket.pipe(socket);
  }, cleanup);
  const outbound = kind === 'hbone' ? await outboundTo(inboundPort) : undefined;
  const port = outbound?.port ?? inboundPort;
  const target = `127.0.0.1:${port}`;
  inbound.routes.set(target, application);
  return { inbound, outbound, port, target, applications, apply };
}

async function outboundTo(inboundPort: number) {
  const made = createTestPod({ info: CLIENT });
  for (const one of [server, client]) made.state.putWorkload(one, []);
  made.context.certificates.put(clientCertificate);
  made.routes.set('127.0.0.1:15008', inboundPort);
  closing(made);
  const port = await listen((plain) => made.serve(new OutboundConnection(made.pod, plain)), cleanup);
  return { ...made, port };
}

function closing(made: TestPod): void {
  cleanup(() => {
    for (const connection of made.connections) connection.cut(DRAINED);
    made.pod.authorization.close();
    made.context.rechecks.close();
    made.pod.pool.close();
  });
}

async function established(port: number, text = 'one'): Promise<End> {
  const end = await call(port, text);
  await until(() => expect(end.received()).toBe(text));
  return end;
}

const flags = (made: TestPod): (string | undefined)[] =>
  made.context.counters
    .drain()
    .filter(({ failed }) => failed > 0)
    .map(({ labels }) => labels.find(([name]) => name === 'response_flags')?.[1]);

/** Ports of this run, and trace ids, replaced. */
function plainly(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/id=[0-9a-f]{32}/, 'id=TRACE').replaceAll(/(127\.0\.0\.1):\d+/g, '$1:PORT'));
}

const SPANS = 'proxy{wl=default/server}:inbound{id=TRACE peer=127.0.0.1:PORT}';

test('15008: policy lines stand in the spans of the pod and the request, with the id of the client side', async () => {
  const { inbound, port, apply } = await serve('hbone', { policyLog: 'info' });
  apply(put('dry', 'Deny', principal(PRINCIPAL), { dryRun: true }), put('allow', 'Allow', principal(PRINCIPAL)));
  await established(port);
  expect(plainly(inbound.lines())).toEqual([
    `info\tstate:${SPANS}\tdry-run: deny policy match\tpolicy="default/dry"`,
    `info\tstate:${SPANS}\tallow policy match\tpolicy="default/allow"`,
  ]);
  expect(inbound.context.denials.list()).toMatchObject([
    { kind: 'shadow', count: 1, reason: 'explicitly denied by: default/dry', pod: { name: 'server' } },
  ]);
});

test('15006: policy lines stand in the span of the pod alone', async () => {
  const { inbound, port, apply } = await serve('plaintext', { policyLog: 'debug' });
  apply(put('allow', 'Allow', principal(PRINCIPAL)));
  const { end } = await call(port, 'one');
  await until(() => expect(end()).toBe('ECONNRESET'));
  expect(plainly(inbound.lines())[0]).toBe('debug\tstate:proxy{wl=default/server}\tno allow policies matched\t');
});

test('15008: who is denied gets a 401, and is remembered with its principal', async () => {
  const { inbound, outbound, port, apply } = await serve('hbone');
  apply(put('deny', 'Deny', principal(PRINCIPAL)));
  const { end } = await call(port, 'one');
  await until(() => expect(end()).toBe('ECONNRESET'));
  await until(() => expect(outbound?.lines()[0]).toContain('error="http status: 401 Unauthorized"'));
  const reason = 'explicitly denied by: default/deny';
  expect(inbound.lines()).toEqual([
    expect.stringContaining(`error="connection closed due to policy rejection: ${reason}"`),
  ]);
  expect(flags(inbound)).toEqual(['DENY']);
  const [denial] = inbound.context.denials.list();
  expect(denial).toMatchObject({ kind: 'refused', reason, count: 1, connection: { destinationPort: port } });
  expect(denial?.connection.identity).toMatchObject({ serviceAccount: 'client' });
  expect(denial?.explanation?.policies).toMatchObject([{ policy: 'default/deny', matched: true }]);
});

test('15008, running: a new policy cuts it: RST to the application, reset of the stream, both told', async () => {
  const { inbound, outbound, port, applications, apply } = await serve('hbone');
  const denied = await established(port);
  apply(put('deny', 'Deny', principal(PRINCIPAL)));
  await until(() => expect([applications[0]?.end(), denied.end()]).toEqual(['ECONNRESET', 'FIN']));
  expect(plainly(inbound.lines())).toEqual([
    `info\tproxy::connection_manager:proxy{wl=default/server}\tconnection 127.0.0.1:PORT(spiffe://${PRINCIPAL})->127.0.0.1:PORT (${server.uid}) closed because it's no longer allowed after a policy update\t`,
    expect.stringContaining(CHANGED),
  ]);
  expect(flags(inbound)).toEqual(['DENY']);
  expect(inbound.context.denials.list()).toMatchObject([{ kind: 'cut', reason: 'explicitly denied by: default/deny' }]);
  // The tunnel itself stays.
  expect(outbound?.pod.pool.connectionCount).toBe(1);
  expect(inbound.pod.recordContext.open.size).toBe(0);
});

test('15006, running: a new policy cuts it: RST to both ends', async () => {
  const { inbound, port, applications, apply } = await serve('plaintext');
  const denied = await established(port);
  apply(put('strict', 'Deny', { notPrincipals: [{ kind: 'presence' }] }));
  await until(() => expect([applications[0]?.end(), denied.end()]).toEqual(['ECONNRESET', 'ECONNRESET']));
  const lines = plainly(inbound.lines());
  expect(lines[0]).toContain('connection 127.0.0.1:PORT(None)->127.0.0.1:PORT');
  expect(lines[1]).toContain(CHANGED);
  expect(flags(inbound)).toEqual(['DENY']);
  expect(inbound.connections.size).toBe(0);
});

test('running: with its log filtered out a cut is told by the access log alone', async () => {
  const { inbound, port, apply } = await serve('plaintext', { policyCutLog: false });
  const denied = await established(port);
  apply(put('deny', 'Deny', { destinationPorts: [port] }));
  await until(() => expect(denied.end()).toBe('ECONNRESET'));
  expect(inbound.lines()).toEqual([expect.stringContaining(CHANGED)]);
});

test.each([
  { what: 'it is allowed by name', change: put('allow', 'Allow', principal(PRINCIPAL)) },
  { what: 'another namespace has it', change: put('deny', 'Deny', principal(PRINCIPAL), { namespace: 'other' }) },
  { what: 'it is dry-run', change: put('deny', 'Deny', principal(PRINCIPAL), { dryRun: true }) },
])('running: a policy that does not deny it leaves it alone: $what', async ({ change }) => {
  const { inbound, port, apply } = await serve('hbone');
  const one = await established(port);
  apply(change);
  await rechecked(inbound);
  one.socket.write(' two');
  await until(() => expect(one.received()).toBe('one two'));
  expect(inbound.lines()).toEqual([]);
});

test('running: the workload names a policy that was there before, and only who is denied is cut', async () => {
  const { inbound, port, apply } = await serve('hbone');
  apply(put('deny', 'Deny', { destinationPorts: [port] }, { scope: 'WorkloadSelector' }));
  const one = await established(port);
  apply(names('default/deny'));
  await until(() => expect(one.end()).toBe('FIN'));
  expect(inbound.lines()[1]).toContain(CHANGED);
  // By what it names now.
  expect(inbound.context.denials.list()[0]?.explanation?.policies).toMatchObject([{ policy: 'default/deny' }]);
});

test('running: its workload is gone: the last record still counts', async () => {
  const { port, apply } = await serve('hbone');
  const one = await established(port);
  apply({ type: 'workload-removed', uid: server.uid }, put('deny', 'Deny', principal(PRINCIPAL)));
  await until(() => expect(one.end()).toBe('FIN'));
});

test('a batch counts as a whole: a state that lies between its changes is seen by nobody', async () => {
  const { inbound, port, apply } = await serve('hbone');
  const one = await established(port);
  apply(
    put('deny', 'Deny', principal(PRINCIPAL)),
    names('default/missing'),
    { type: 'policy-removed', key: 'default/deny' },
    names(),
  );
  await rechecked(inbound);
  one.socket.write(' two');
  await until(() => expect(one.received()).toBe('one two'));
  expect(inbound.lines()).toEqual([]);
});

test.each(['hbone', 'plaintext'] as const)('%s: denied while it dials the application', async (kind) => {
  const { inbound, outbound, port, target, apply } = await serve(kind);
  inbound.routes.delete(target);
  const one = await call(port, 'one');
  await until(() => expect(inbound.dialled).toHaveLength(1));
  apply(put('deny', 'Deny', { destinationPorts: [port] }));
  await until(() => expect(one.end()).toBe('ECONNRESET'));
  expect(inbound.dialled).toEqual([{ to: target, cancelled: true }]);
  expect(inbound.lines()[1]).toContain(CHANGED);
  if (outbound !== undefined)
    await until(() => expect(outbound.lines()[0]).toContain('error="http status: 401 Unauthorized"'));
});

const HELD =
  'warn\tstate:proxy{wl=default/server}\tpolicy default/late is missing: running connections are held for 5s\t';
const LATE =
  'warn\tstate:proxy{wl=default/server}\tpolicy default/late has not arrived within 5s: running connections are denied\t';

test('running: a policy that is merely missing denies after a grace, new connections at once', async () => {
  const { inbound, port, applications, apply } = await serve('plaintext');
  const one = await established(port);
  apply(names('default/late'));
  await until(() => expect(inbound.lines()).toEqual([HELD]));
  const second = await call(port, 'two');
  await until(() => expect(second.end()).toBe('ECONNRESET'));
  expect(inbound.lines().at(-1)).toContain('policy rejection: policy default/late has not arrived yet"');
  inbound.advance(MISSING_POLICY_GRACE_MS - 1000);
  one.socket.write(' two');
  await until(() => expect(one.received()).toBe('one two'));
  inbound.advance(1000);
  await until(() => expect([applications[0]?.end(), one.end()]).toEqual(['ECONNRESET', 'ECONNRESET']));
  expect(inbound.lines()).toContain(LATE);
  expect(inbound.lines().at(-1)).toContain(CHANGED);
  expect(inbound.context.denials.list()[0]).toMatchObject({
    kind: 'cut',
    reason: 'policy default/late has not arrived yet',
  });
});

test('running: a missing policy that comes in time cuts nobody whom it allows', async () => {
  const { inbound, port, apply } = await serve('hbone');
  const one = await established(port);
  apply(names('default/late'));
  await until(() => expect(inbound.lines()).toEqual([HELD]));
  apply(put('late', 'Allow', principal(PRINCIPAL), { scope: 'WorkloadSelector' }));
  await rechecked(inbound);
  inbound.advance(2 * MISSING_POLICY_GRACE_MS);
  await rechecked(inbound);
  one.socket.write(' two');
  await until(() => expect(one.received()).toBe('one two'));
  expect(inbound.lines()).toEqual([HELD]);
});

test('running: a policy that is missing again after nobody was held gets its grace again', async () => {
  const { inbound, port, applications, apply } = await serve('plaintext');
  const one = await established(port);
  apply(names('default/late'));
  await until(() => expect(inbound.lines()).toEqual([HELD]));
  one.socket.end();
  await until(() => expect([inbound.connections.size, applications[0]?.end()]).toEqual([0, 'FIN']));
  inbound.advance(MISSING_POLICY_GRACE_MS);
  apply(put('late', 'Deny', { destinationPorts: [1] }, { scope: 'WorkloadSelector' }));
  const two = await established(port);
  apply({ type: 'policy-removed', key: 'default/late' });
  await rechecked(inbound);
  two.socket.write(' three');
  await until(() => expect(two.received()).toBe('one three'));
  expect(inbound.lines().at(-1)).toBe(HELD);
});

test('running: what another policy denies does not wait for the missing one', async () => {
  const { port, apply } = await serve('hbone');
  const one = await established(port);
  apply(names('default/late'), put('deny', 'Deny', principal(PRINCIPAL)));
  await until(() => expect(one.end()).toBe('FIN'));
});

test('unknownPolicy skip: missing policies deny nobody, and each connection tells', async () => {
  const { inbound, port, apply } = await serve('plaintext', { unknownPolicy: 'skip' });
  apply(names('default/gone', 'x/gone-too'));
  const one = await established(port);
  apply(names('default/gone'));
  await rechecked(inbound);
  inbound.advance(MISSING_POLICY_GRACE_MS);
  one.socket.write(' two');
  await until(() => expect(one.received()).toBe('one two'));
  expect(inbound.lines()).toEqual([
    'warn\tstate:proxy{wl=default/server}\tskipping unknown policy default/gone\t',
    'warn\tstate:proxy{wl=default/server}\tskipping unknown policy x/gone-too\t',
  ]);
});

test('a connection without readable addresses is denied', () => {
  const made = createTestPod();
  const judged = { identity: undefined, sourceIp: '', destinationIp: '127.0.0.1', destinationPort: 80 };
  const one = { judged, clientPort: 0, spans: [], deny: () => undefined };
  expect(made.pod.authorization.admit(one, server)).toMatchObject({ flag: 'DENY' });
});
