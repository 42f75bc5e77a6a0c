import { connect } from 'node:net';
import { ClientConnection, type Secure } from '@ambientmesh/hbone';
import { createTestEngine } from '@ambientmesh/hbone/testing';
import { expect, onTestFinished, test } from 'vitest';
import { DRAINED } from '../data-plane/pod.ts';
import { soon } from '../data-plane/testing/soon.ts';
import { createAuthority, createTestPod, issueMaterial, listen } from '../data-plane/testing/test-pod.ts';
import { workload } from '../state/fixtures.ts';
import { HboneConnection } from './hbone-connection.ts';

const cleanup = (undo: () => void): void => {
  onTestFinished(undo);
};
const authority = await createAuthority();
const [server, client] = await Promise.all([issueMaterial(authority, 'default'), issueMaterial(authority, 'client')]);

const UNUSED = {
  bytes: () => undefined,
  delivered: () => undefined,
  writable: () => undefined,
  ended: () => undefined,
};

/** A tunnel to a pod whose policy lines are printed. */
async function openTunnel() {
  const made = createTestPod({ config: { policyLog: 'info' } });
  made.state.putWorkload(workload({ name: 'server', ips: ['127.0.0.1'] }), []);
  made.context.certificates.put(server);
  const port = await listen((plain) => made.serve(new HboneConnection(made.pod, plain)), cleanup);
  cleanup(() => {
    for (const connection of made.connections) connection.cut(DRAINED);
  });
  const engine = createTestEngine();
  const socket = connect({ port, host: '127.0.0.1' });
  await new Promise((resolve) => socket.once('connect', resolve));
  const tls = { credentials: engine.credentials(client), verify: () => undefined, handshakeTimeoutMs: 5000 };
  const secure = await new Promise<Secure>((resolve, reject) => {
    const connection = engine.secureClient(engine.adopt(socket), tls, {
      established: () => resolve(connection),
      failed: ({ message }) => reject(new Error(message)),
      ...UNUSED,
    });
  });
  return { made, tunnel: new ClientConnection(engine, secure, { closed: () => undefined }, {}) };
}

test('without a traceparent all lines of a stream have one id, and another stream has another', async () => {
  const { made, tunnel } = await openTunnel();
  const policy = { namespace: 'default', scope: 'Namespace', action: 'Deny', dryRun: true, rules: [[]] } as const;
  for (const name of ['a', 'b']) made.context.policies.put({ ...policy, name });
  for (const target of ['127.0.0.1:1', '127.0.0.1:2'])
    tunnel.open(
      [
        [':method', 'CONNECT'],
        [':authority', target],
      ],
      { response: () => undefined, failed: () => undefined },
    );
  const ids = (): string[] => made.lines().flatMap((line) => /id=([0-9a-f]{32})/.exec(line)?.[1] ?? []);
  await soon(() => expect(ids()).toHaveLength(6));
  made.context.policies.put({ ...policy, name: 'c', dryRun: false });
  made.pod.authorization.changed();
  await soon(() => expect(made.context.denials.list()).toHaveLength(4));
  expect(new Set(ids()).size).toBe(2);
});
