/** Peers with good certificates and bad manners, in rounds: once they are gone nothing of them is held. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createTestEngine } from '@ambientmesh/hbone/testing';
import { expect, onTestFinished, test } from 'vitest';
import { soon } from '../data-plane/testing/soon.ts';
import { createAuthority, createTestPod, issueMaterial, listenSockets } from '../data-plane/testing/test-pod.ts';
import { workload } from '../state/fixtures.ts';
import { HboneConnection } from './hbone-connection.ts';

const cleanup = (undo: () => void): void => {
  onTestFinished(undo);
};
const authority = await createAuthority();
const [server, client] = await Promise.all([issueMaterial(authority, 'default'), issueMaterial(authority, 'client')]);

const ROUNDS = 3;
/** Of each attack, a round. */
const PEERS = 4;
const TARGET = '127.0.0.1:9000';

/** RFC 9113 6 */
const HEADERS = 1;
const DATA = 0;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const WINDOW_UPDATE = 8;
const END_HEADERS = 4;

function frame(type: number, flags: number, id: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(id, 5);
  return Buffer.concat([header, payload]);
}

/** A field whose name is in the static table. RFC 7541 6.2.2 */
function field(name: number, value: string): Buffer {
  return Buffer.concat([Buffer.of(name, value.length), Buffer.from(value, 'latin1')]);
}

const GREETING = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'), frame(SETTINGS, 0, 0)]);
const request = (id: number, authorityText = TARGET): Buffer =>
  frame(HEADERS, END_HEADERS, id, Buffer.concat([field(2, 'CONNECT'), field(1, authorityText)]));
const flood = (times: number, unit: (id: number) => readonly Uint8Array[]): Buffer =>
  Buffer.concat(Array.from({ length: times }, (_, index) => unit(2 * index + 1)).flat());

interface Manners {
  readonly name: string;
  readonly bytes: Buffer;
  /** The proxy ends the connection; else the peer does, when all was taken. */
  readonly ended: boolean;
}

const CANCEL = Buffer.of(0, 0, 0, 8);
const ATTACKS: readonly Manners[] = [
  { name: 'rapid reset', ended: true, bytes: flood(5000, (id) => [request(id), frame(RST_STREAM, 0, id, CANCEL)]) },
  {
    name: 'made to reset',
    ended: true,
    bytes: flood(5000, (id) => [request(id), frame(WINDOW_UPDATE, 0, id, Buffer.alloc(4))]),
  },
  { name: 'PINGs', ended: true, bytes: flood(20_000, () => [frame(PING, 0, 0, Buffer.alloc(8))]) },
  { name: 'more streams than may be open', ended: true, bytes: flood(5000, (id) => [request(id)]) },
  { name: 'no HTTP/2', ended: true, bytes: Buffer.alloc(100, 'x') },
  { name: 'requests that nobody waits for', ended: false, bytes: flood(100, (id) => [request(id)]) },
  { name: 'requests for elsewhere', ended: false, bytes: flood(100, (id) => [request(id, '127.0.0.2:1')]) },
  {
    name: 'half of everything',
    ended: false,
    bytes: Buffer.concat([request(1), frame(DATA, 0, 1, Buffer.alloc(60_000)), request(3).subarray(0, 12)]),
  },
];

/** Plays one to its end. */
async function play(port: number, { bytes, ended }: Manners): Promise<void> {
  const { chainPem: cert, privateKeyPem: key, rootsPem: ca } = client;
  const peer: TLSSocket = connect({
    port,
    host: '127.0.0.1',
    cert,
    key,
    ca: [...ca],
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
  });
  peer.on('error', () => undefined);
  const over = once(peer, 'close');
  peer.resume();
  await once(peer, 'secureConnect');
  peer.write(GREETING);
  await new Promise<void>((resolve) => {
    peer.once('close', () => resolve());
    peer.write(bytes, () => resolve());
  });
  if (!ended) peer.destroy();
  await over;
}

test('attacks in rounds: connections, streams, sockets and objects of peers that are gone are gone', async () => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const made = createTestPod();
  made.state.putWorkload(workload({ name: 'server', ips: ['127.0.0.1'] }), []);
  made.context.certificates.put(server);
  made.routes.set(TARGET, await listenSockets((socket) => socket.pipe(socket), cleanup));
  const served: WeakRef<HboneConnection>[] = [];
  const engine = createTestEngine();
  // Not `listen`, whose cleanup holds every socket.
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const connection = new HboneConnection(made.pod, engine.adopt(socket));
    served.push(new WeakRef(connection));
    made.serve(connection);
  });
  cleanup(() => listener.close());
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  for (let round = 1; round <= ROUNDS; round++) {
    for (const attack of ATTACKS) await Promise.all(Array.from({ length: PEERS }, () => play(port, attack)));
    expect(served.length).toBe(round * ATTACKS.length * PEERS);
    const { sockets } = made.context;
    await soon(() =>
      expect([made.connections.size, made.pod.recordContext.open.size, sockets]).toEqual([
        0,
        0,
        { source: 0, destination: 0 },
      ]),
    );
    await soon(() => {
      collect();
      expect(served.filter((one) => one.deref() !== undefined).length).toBe(0);
    });
  }
});
