import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type ConnectionFailure, END, type Plain, type PlainHandler } from '../../engine.ts';
import { type ContractCase, contractCase } from './contract-case.ts';
import { Digest, SeededRandom } from './random-bytes.ts';
import type { Scene } from './scene.ts';

const QUIET: PlainHandler = { readable: () => {}, written: () => {}, failed: () => {} };
const NOTHING = { bytes: () => {} };
const MEBIBYTE = 1_048_576;
const STREAM_BYTES = 3_000_000;
const SEEDS = [1, 2, 3];

/** Reads all there is, now and whenever there is more. */
export function readAll(plain: Plain, digest: Digest, max: () => number = () => 65_536): { ended: boolean } {
  const state = { ended: false };
  const pump = (): void => {
    for (;;) {
      const bytes = plain.read(max(), { bytes: (memory, start, end) => digest.add(memory, start, end) });
      if (bytes === END) state.ended = true;
      if (bytes <= 0) return;
    }
  };
  plain.handler = { ...plain.handler, readable: pump };
  pump();
  return state;
}

/** How the peer sees its connection end. */
function ending(peer: Socket): { how: string } {
  const state = { how: '' };
  peer.once('end', () => (state.how ||= 'FIN'));
  peer.once('error', (error) => (state.how ||= 'code' in error ? String(error.code) : 'error'));
  peer.resume();
  return state;
}

async function stalled(scene: Scene, progress: () => number): Promise<void> {
  let before = -1;
  while (before !== progress()) {
    before = progress();
    await scene.settle();
  }
}

const reading: readonly ContractCase[] = [
  contractCase('Plain: addresses are canonical, those of the peer turned round; a descriptor', async (scene) => {
    const { plain, peer } = await scene.connection();
    assert.deepEqual(plain.local, { ip: '127.0.0.1', port: peer.remotePort });
    assert.deepEqual(plain.remote, { ip: '127.0.0.1', port: peer.localPort });
    assert.ok(plain.descriptor > 2 || plain.descriptor === -1);
    plain.reset();
    assert.equal(plain.descriptor, -1);
  }),
  contractCase(
    'Plain.read: no `readable` before the first read; at most `max`; END once the rest was read',
    async (scene) => {
      const { plain, peer } = await scene.connection();
      let readable = 0;
      plain.handler = { ...QUIET, readable: () => void readable++ };
      peer.end('hello world');
      await scene.settle();
      assert.equal(readable, 0);
      const sizes: number[] = [];
      const text: string[] = [];
      let last = 0;
      const sink = {
        bytes: (memory: Uint8Array, start: number, end: number) => {
          sizes.push(end - start);
          text.push(Buffer.from(memory.subarray(start, end)).toString());
        },
      };
      const pump = (): void => {
        do last = plain.read(3, sink);
        while (last > 0);
      };
      plain.handler = { ...QUIET, readable: pump };
      pump();
      await scene.until(() => last === END, 'END');
      assert.equal(text.join(''), 'hello world');
      assert.ok(sizes.every((size) => size <= 3));
      assert.equal(plain.read(3, sink), END);
      assert.equal(plain.read(0, sink), 0);
    },
  ),
  contractCase('Plain.read: `readable` comes again only after a read has answered 0', async (scene) => {
    const { plain, peer } = await scene.connection();
    let readable = 0;
    plain.handler = { ...QUIET, readable: () => void readable++ };
    assert.equal(plain.read(10, NOTHING), 0);
    peer.write('a');
    await scene.until(() => readable === 1, 'readable');
    peer.write('b');
    await scene.settle();
    assert.equal(readable, 1);
    while (plain.read(10, NOTHING) !== 0);
    peer.write('c');
    await scene.until(() => readable >= 2, 'readable again');
  }),
  contractCase('Plain.read: what is not read stays with the kernel, and the writer stops', async (scene) => {
    const { plain, peer } = await scene.connection();
    plain.handler = QUIET;
    plain.read(1, NOTHING);
    const chunk = new SeededRandom(1).bytes(MEBIBYTE);
    const [sent, received] = [new Digest(), new Digest()];
    for (let count = 0; count < 32; count++) {
      peer.write(chunk);
      sent.add(chunk);
    }
    peer.end();
    await stalled(scene, () => peer.bytesWritten - peer.writableLength);
    assert.ok(peer.writableLength > 0, 'the writer never had to wait');
    const state = readAll(plain, received);
    await scene.until(() => state.ended, 'END');
    assert.equal(received.text(), sent.text());
  }),
];

const writing: readonly ContractCase[] = [
  contractCase(
    'Plain.write: memory may be used again at once; `queued` and `written` account for each byte',
    async (scene) => {
      const { plain, peer } = await scene.connection();
      let written = 0;
      plain.handler = { ...QUIET, written: (bytes) => void (written += bytes) };
      const [sent, received] = [new Digest(), new Digest()];
      peer.on('data', (chunk) => received.add(Buffer.from(chunk)));
      const memory = Buffer.alloc(100_000);
      for (let round = 1; round <= 50; round++) {
        memory.fill(round);
        const [start, end] = [round, round % 2 === 0 ? memory.length : round + 20];
        plain.write(memory, start, end);
        sent.add(memory, start, end);
        assert.equal(plain.queued + written, sent.bytes);
        if (round % 10 === 0) await scene.harness.turn();
      }
      plain.write(memory, 5, 5);
      plain.end();
      await scene.until(() => peer.readableEnded, 'end');
      assert.equal(received.text(), sent.text());
      await scene.until(() => plain.queued === 0, 'nothing queued');
      assert.equal(written, sent.bytes);
    },
  ),
  contractCase('Plain.write: a peer that does not read leaves bytes queued; all arrive when it does', async (scene) => {
    const { plain, peer } = await scene.connection();
    plain.handler = QUIET;
    peer.pause();
    const chunk = new SeededRandom(2).bytes(MEBIBYTE);
    const [sent, received] = [new Digest(), new Digest()];
    for (let count = 0; count < 32; count++) {
      plain.write(chunk, 0, chunk.length);
      sent.add(chunk);
    }
    await stalled(scene, () => plain.queued);
    assert.ok(plain.queued > 0, 'the kernel took everything');
    plain.close();
    peer.on('data', (bytes) => received.add(Buffer.from(bytes)));
    peer.resume();
    await scene.until(() => peer.readableEnded, 'end');
    assert.equal(received.text(), sent.text());
  }),
  contractCase('Plain.end: FIN behind what is queued, reading goes on; nothing is written after', async (scene) => {
    const { plain, peer } = await scene.connection();
    const [fromPeer, fromPlain] = [new Digest(), new Digest()];
    plain.handler = QUIET;
    const state = readAll(plain, fromPeer);
    peer.on('data', (chunk) => fromPlain.add(Buffer.from(chunk)));
    plain.write(Buffer.from('ab'), 0, 2);
    plain.end();
    plain.end();
    plain.write(Buffer.from('cd'), 0, 2);
    await scene.until(() => peer.readableEnded, 'FIN');
    assert.equal(fromPlain.bytes, 2);
    peer.end(Buffer.alloc(MEBIBYTE));
    await scene.until(() => state.ended, 'END');
    assert.equal(fromPeer.bytes, MEBIBYTE);
  }),
  contractCase('Plain: the peer ends first, writing goes on', async (scene) => {
    const { plain, peer } = await scene.connection();
    plain.handler = QUIET;
    const state = readAll(plain, new Digest());
    const received = new Digest();
    peer.on('data', (chunk) => received.add(Buffer.from(chunk)));
    peer.end();
    await scene.until(() => state.ended, 'END');
    plain.write(Buffer.alloc(MEBIBYTE), 0, MEBIBYTE);
    plain.close();
    await scene.until(() => peer.readableEnded, 'FIN');
    assert.equal(received.bytes, MEBIBYTE);
  }),
];

const closes = [
  { name: 'nothing came', sent: 0, read: 0, how: 'FIN' },
  { name: 'bytes came that nobody read', sent: 5, read: 0, how: 'ECONNRESET' },
  { name: 'bytes were read in part', sent: 5, read: 2, how: 'ECONNRESET' },
  { name: 'all bytes were read', sent: 5, read: 5, how: 'FIN' },
].map(({ name, sent, read, how }) =>
  contractCase(`Plain.close after ${name}: ${how}, and no callback`, async (scene) => {
    const { plain, peer } = await scene.connection();
    const seen = ending(peer);
    plain.handler = QUIET;
    if (sent > 0) await new Promise((resolve) => peer.write(Buffer.alloc(sent), resolve));
    let left = read;
    const take = (): void => {
      for (let bytes = 1; left > 0 && bytes > 0; left -= Math.max(bytes, 0)) bytes = plain.read(left, NOTHING);
    };
    plain.handler = { ...QUIET, readable: take };
    take();
    await scene.until(() => left === 0, 'read');
    plain.close();
    plain.close();
    await scene.until(() => seen.how !== '', 'the end');
    assert.equal(seen.how, how);
    assert.equal(plain.read(1, NOTHING), 0);
    plain.write(Buffer.from('x'), 0, 1);
    plain.end();
    plain.reset();
  }),
);

const cuts: readonly ContractCase[] = [
  contractCase('Plain.reset: RST, what is queued is dropped, also after `close`', async (scene) => {
    for (const closeFirst of [false, true]) {
      const { plain, peer } = await scene.connection();
      plain.handler = QUIET;
      const seen = ending(peer.pause());
      peer.pause();
      for (let count = 0; count < 32; count++) plain.write(Buffer.alloc(MEBIBYTE), 0, MEBIBYTE);
      if (closeFirst) plain.close();
      await scene.settle();
      plain.reset();
      peer.resume();
      await scene.until(() => seen.how !== '', 'the end');
      assert.equal(seen.how, 'ECONNRESET');
    }
  }),
  contractCase('Plain.reset after `close`, in one turn: RST, with nothing queued as well', async (scene) => {
    const { plain, peer } = await scene.connection();
    const seen = ending(peer);
    plain.close();
    plain.reset();
    await scene.until(() => seen.how !== '', 'the end');
    assert.equal(seen.how, 'ECONNRESET');
  }),
  contractCase('Plain: the peer’s RST is `failed`, once; every method is a no-op after', async (scene) => {
    const { plain, peer } = await scene.connection();
    const failures: ConnectionFailure[] = [];
    plain.handler = { ...QUIET, failed: (failure) => void failures.push(failure) };
    plain.read(1, NOTHING);
    peer.resetAndDestroy();
    await scene.until(() => failures.length > 0, 'failed');
    assert.deepEqual(failures, [{ code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' }]);
    assert.equal(plain.read(1, NOTHING), 0);
    plain.write(Buffer.from('x'), 0, 1);
    plain.end();
    plain.close();
    plain.reset();
    await scene.settle();
    assert.equal(failures.length, 1);
  }),
];

const randomStreams = SEEDS.map((seed) =>
  contractCase(`Plain: both ways at once, random sizes and pauses, then FIN (seed ${seed})`, async (scene) => {
    const { plain, peer } = await scene.connection();
    const random = new SeededRandom(seed);
    plain.handler = QUIET;
    const [up, upSeen, down, downSeen] = [new Digest(), new Digest(), new Digest(), new Digest()];
    const state = readAll(plain, upSeen, () => random.size());
    peer.on('data', (chunk) => {
      downSeen.add(Buffer.from(chunk));
      if (random.below(10) > 0) return;
      peer.pause();
      setImmediate(() => peer.resume());
    });
    while (up.bytes < STREAM_BYTES || down.bytes < STREAM_BYTES) {
      const chunk = random.bytes(random.size());
      if (random.below(2) === 0) {
        up.add(chunk);
        peer.write(chunk);
      } else {
        down.add(chunk);
        plain.write(chunk, 0, chunk.length);
      }
      if (random.below(4) === 0) await scene.harness.turn();
    }
    peer.end();
    plain.end();
    await scene.until(() => state.ended && peer.readableEnded, `both ends (seed ${seed})`);
    assert.deepEqual([upSeen.text(), downSeen.text()], [up.text(), down.text()], `seed ${seed}`);
  }),
);

/** The rules of `Plain`. */
export const plainCases: readonly ContractCase[] = [...reading, ...writing, ...closes, ...cuts, ...randomStreams];
