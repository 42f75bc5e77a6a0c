/** What becomes of records that no TLS library sends: the same with records of our own and with OpenSSL's. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Secure } from '@ambientmesh/hbone';
import { afterAll, expect, test } from 'vitest';
import { TlsLog } from '../testing/tls-log.ts';
import { TunnelRig } from '../testing/tunnel-rig.ts';
import {
  CASES_OF_CLIENTS,
  CASES_OF_SERVERS,
  RECORD_CASES,
  type RecordCase,
  type RecordOutcome,
} from './hostile-records.ts';
import { ALERT, HANDSHAKE, RecordPeer } from './record-peer.ts';
import { issue, tlsOf } from './side.ts';

type Records = 'own' | 'openssl';
type Role = 'client' | 'server';

class Log extends TlsLog {
  unannounced = false;

  override ended(unannounced = false): void {
    this.unannounced = unannounced;
    super.ended();
  }
}

interface Connection {
  readonly rig: TunnelRig;
  readonly secure: Secure;
  readonly log: Log;
  readonly peer: RecordPeer;
}

const source = issue('peer');
function rigOf(records: Records) {
  const rig = new TunnelRig({ records });
  return { rig, tls: tlsOf(rig.engine, 'us') };
}
const rigs = { own: rigOf('own'), openssl: rigOf('openssl') };

afterAll(async () => {
  for (const { rig } of Object.values(rigs)) {
    await rig.empty();
    rig.stop();
    await rig[Symbol.asyncDispose]();
  }
});

/** Us in `role`, and the peer in the other, with one octet received. */
async function connected(records: Records, role: Role): Promise<Connection> {
  const { rig, tls } = rigs[records];
  const log = new Log();
  const [secure, peer] = await (role === 'server' ? beServer(rig) : beClient(rig));
  await rig.until(() => log.received === 1 || log.failure !== undefined, 'the handshake');
  expect(log.failure).toBeUndefined();
  peer.takeOver();
  return { rig, secure, log, peer };

  async function beServer({ port, engine }: TunnelRig): Promise<[Secure, RecordPeer]> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const made = new RecordPeer('client', socket, source);
    return [engine.secureServer(await rig.accept(), tls, log), made];
  }

  async function beClient({ engine }: TunnelRig): Promise<[Secure, RecordPeer]> {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const plain = rig.dial(typeof address === 'object' && address !== null ? address.port : 0);
    const [socket] = await once(server, 'connection');
    server.close();
    return [engine.secureClient(await plain, tls, log), new RecordPeer('server', socket, source)];
  }
}

/** `reason` of a failure, without what says that it is a server's. */
function wordsOf(message: string): string {
  return message
    .replace(/^Custom \{ kind: InvalidData, error: (.*) \}$/, '$1')
    .replace(/^received fatal alert: (.*)$/, 'alert $1')
    .replace(/^AlertReceived\((.*)\)$/, 'alert $1');
}

async function run(records: Records, role: Role, { send, fin }: RecordCase): Promise<RecordOutcome> {
  const { rig, secure, log, peer } = await connected(records, role);
  peer.write(...send(peer));
  if (fin) peer.end();
  else peer.write(peer.seal('!'), peer.alert(1, 0));
  await rig.until(() => log.failure !== undefined || log.has('ended'), 'an end');
  secure.close();
  await rig.until(() => peer.ended, 'the end of all that we say');
  peer.close();
  secure.abort();
  const alerts = peer.heard.filter(({ type }) => type === ALERT).map(({ content }) => content[1]!);
  const updates = peer.heard.filter(({ type }) => type === HANDSHAKE).length;
  const alert = alerts.find((number) => number !== 0);
  expect(alerts.length).toBeLessThanOrEqual(1);
  return {
    event: log.failure !== undefined ? 'failed' : log.unannounced ? 'fin' : 'ended',
    received: log.received - 1,
    ...(alert === undefined ? {} : { alert }),
    ...(updates === 0 ? {} : { updates }),
    ...(log.failure === undefined ? {} : { words: wordsOf(log.failure.message) }),
  };
}

test.each([
  ...RECORD_CASES.flatMap((one) => [
    { ...one, role: 'server' as const },
    { ...one, role: 'client' as const },
  ]),
  ...CASES_OF_SERVERS.map((one) => ({ ...one, role: 'server' as const })),
  ...CASES_OF_CLIENTS.map((one) => ({ ...one, role: 'client' as const })),
])('$what: to a $role', async ({ role, ...one }) => {
  expect(await run('own', role, one)).toEqual(one.outcome);
  const { why: _why, ...otherwise } = one.openSsl ?? { ...one.outcome, why: '' };
  expect(await run('openssl', role, one)).toEqual(otherwise);
});
