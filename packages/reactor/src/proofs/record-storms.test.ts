/** Records that ask for much work, or for words behind the last ones. */
import { expect, test } from 'vitest';
import { NOTHING } from '../testing/tunnel-rig.ts';
import { ALERT, DATA, HANDSHAKE } from './record-peer.ts';
import { type RecordConnection, RecordRig } from './record-rig.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const STORM = 10_000;
const UPDATES_A_TURN = 256;
const FULL_RECORD = Buffer.alloc(16_384);

async function end(rig: RecordRig, connections: readonly RecordConnection[]): Promise<void> {
  for (const { secure, peer } of connections) {
    secure.abort();
    peer.close();
  }
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
}

test.each([
  { records: 'own', role: 'server', requested: false },
  { records: 'own', role: 'client', requested: true },
  { records: 'openssl', role: 'server', requested: true },
] as const)(
  `${STORM} KeyUpdates in one burst to a $role, records $records: others go on`,
  PATIENCE,
  async ({ records, role, requested }) => {
    await using rig = new RecordRig({ records });
    const stormed = await rig.connected(role);
    const neighbour = await rig.connected('server');
    const burst = Array.from({ length: STORM }, () => stormed.peer.updateKey(requested));
    stormed.peer.write(...burst, stormed.peer.seal('behind'));
    let turns = 0;
    let served = 0;
    neighbour.log.heard = () => served++;
    while (stormed.log.received === 1 && stormed.log.failure === undefined) {
      neighbour.peer.write(neighbour.peer.seal('a'));
      await rig.turn();
      turns++;
    }
    expect(stormed.log.failure).toBeUndefined();
    expect(stormed.log.received).toBe(1 + 'behind'.length);
    expect(turns).toBeGreaterThan(STORM / UPDATES_A_TURN);
    // What it sends in one turn comes in the next, or the one after it.
    expect(served).toBeGreaterThan(turns / 2);
    await end(rig, [stormed, neighbour]);
  },
);

test.each([
  { what: 'a refusal', last: 'forged', move: 'send', heard: [ALERT] },
  { what: 'the peer’s alert', last: 'alert', move: 'send', heard: [] },
  // What cannot be written any more is cut, with all that waits.
  { what: 'a refusal', last: 'forged', move: 'close', heard: [] },
  { what: 'the peer’s alert', last: 'alert', move: 'close', heard: [] },
] as const)(
  'behind $what nothing is sent, whatever the owner does on what came before: $move',
  async ({ last, move, heard }) => {
    await using rig = new RecordRig();
    const connection = await rig.connected('server');
    const { peer, secure, log } = connection;
    log.heard = (event) => {
      if (event !== 'bytes') return;
      for (let count = 0; count < 3; count++) secure.send(FULL_RECORD, 0, FULL_RECORD.length);
      if (move === 'close') secure.close();
    };
    peer.write(peer.seal('a'), last === 'forged' ? peer.seal('b').fill(0, 5) : peer.alert(2, 80));
    await rig.until(() => peer.ended, 'the end');
    expect(peer.heard.map(({ type }) => type)).toEqual(heard);
    expect(log.events.slice(1)).toEqual(move === 'send' ? ['failed'] : []);
    await end(rig, [connection]);
  },
);

test('what is sent in answer to data goes behind the answer to a KeyUpdate before it', async () => {
  await using rig = new RecordRig();
  const connection = await rig.connected('server');
  const { peer, secure, log } = connection;
  log.heard = (event) => {
    if (event === 'bytes') secure.send(FULL_RECORD, 0, FULL_RECORD.length);
  };
  peer.write(peer.updateKey(true), peer.seal('a'));
  await rig.until(() => peer.heard.length === 2, 'both');
  expect(peer.heard.map(({ type }) => type)).toEqual([HANDSHAKE, DATA]);
  await end(rig, [connection]);
});
