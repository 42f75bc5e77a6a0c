import { once } from 'node:events';
import { Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { DRAINED } from '../data-plane/pod.ts';
import { soon } from '../data-plane/testing/soon.ts';
import {
  createAuthority,
  createTestPod,
  issueMaterial,
  listen,
  listenSockets,
  type TestPod,
  type TestPodOptions,
} from '../data-plane/testing/test-pod.ts';
import { HboneConnection } from '../inbound/hbone-connection.ts';
import { workload } from '../state/fixtures.ts';
import { SocksConnection } from './socks-connection.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => void undos.push(undo);
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const authority = await createAuthority();
const server = workload({ name: 'server', ips: ['127.0.0.1'] });
const client = workload({ name: 'client', serviceAccount: 'client', ips: ['127.0.0.9'] });

/** A pod that knows client and server and may be the service account `account`. */
async function pod(account: string, options: TestPodOptions): Promise<TestPod> {
  const made = createTestPod(options);
  cleanup(() => {
    for (const connection of made.connections) connection.cut(DRAINED);
    made.pod.pool.close();
  });
  for (const one of [server, client]) made.state.putWorkload(one, []);
  made.context.localWorkloads.changed();
  made.context.certificates.put(await issueMaterial(authority, account));
  return made;
}

test('bytes behind the request wait for the window of the tunnel and keep their place', async () => {
  const inbound = await pod('default', { config: { streamWindow: 400 } });
  const outbound = await pod('client', { info: { name: 'client', namespace: 'default', serviceAccount: 'client' } });
  const tunnels = await listen((plain) => inbound.serve(new HboneConnection(inbound.pod, plain)), cleanup);
  const socks = await listen((plain) => outbound.serve(new SocksConnection(outbound.pod, plain)), cleanup);
  outbound.routes.set('127.0.0.1:15008', tunnels);
  inbound.routes.set('127.0.0.1:80', await listenSockets((socket) => socket.pipe(socket), cleanup));

  const socket = new Socket();
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  cleanup(() => socket.destroy());
  socket.connect({ port: socks, host: '127.0.0.1' });
  await once(socket, 'connect');
  const request = Buffer.from('050100050100017f0000010050', 'hex');
  socket.end(Buffer.concat([request, Buffer.from('first bytes, '), Buffer.alloc(2_000, '.'), Buffer.from(' last')]));
  await once(socket, 'end');
  const echoed = Buffer.concat(chunks).subarray(12).toString();
  expect(echoed).toBe(`first bytes, ${'.'.repeat(2_000)} last`);
  await soon(() => expect(outbound.lines()).toHaveLength(1));
  expect(outbound.lines()[0]).toContain(`bytes_sent=${echoed.length} bytes_recv=${echoed.length}`);
  expect(outbound.lines()[0]).not.toContain('error=');
});
