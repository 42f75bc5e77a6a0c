/** What becomes of records that no TLS library sends: the same with records of our own and with OpenSSL's. */
import { afterAll, expect, test } from 'vitest';
import {
  CASES_OF_CLIENTS,
  CASES_OF_SERVERS,
  RECORD_CASES,
  type RecordCase,
  type RecordOutcome,
} from './hostile-records.ts';
import { ALERT, HANDSHAKE } from './record-peer.ts';
import { RecordRig } from './record-rig.ts';

const rigs = { own: new RecordRig({ records: 'own' }), openssl: new RecordRig({ records: 'openssl' }) };

afterAll(async () => {
  for (const rig of Object.values(rigs)) {
    await rig.empty();
    rig.stop();
    await rig[Symbol.asyncDispose]();
  }
});

/** `reason` of a failure, without what says that it is a server's. */
function wordsOf(message: string): string {
  return message
    .replace(/^Custom \{ kind: InvalidData, error: (.*) \}$/, '$1')
    .replace(/^received fatal alert: (.*)$/, 'alert $1')
    .replace(/^AlertReceived\((.*)\)$/, 'alert $1');
}

async function run(
  records: 'own' | 'openssl',
  role: 'client' | 'server',
  { send, fin }: RecordCase,
): Promise<RecordOutcome> {
  const rig = rigs[records];
  const { secure, log, peer } = await rig.connected(role);
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
