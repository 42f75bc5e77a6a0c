import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { EAGAIN } from '../native/kernel-constants.ts';
import { Outgoing } from './outgoing.ts';
import { socketShare } from './socket-share.ts';
import { SocketRig } from './testing/socket-rig.ts';

const SLAB_BYTES = 16_384;
const LENT_BYTES = 40_000;

/** A whole number from 0 up to, not including, `bound`, that follows from a seed. */
function randomOf(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

test.each([1, 2, 3, 4])(
  'any order of lending, copying, sending and owning writes all bytes in order (seed %i)',
  async (seed) => {
    await using rig = new SocketRig();
    const { arena, slabs, calls } = rig.reactor;
    const random = randomOf(seed);
    const [reading, writing] = rig.loopback.pipe();
    rig.later(() => void calls.close(reading));
    const outgoing = new Outgoing(rig.reactor, socketShare(rig.reactor));
    const [lent, at] = [arena.reserve(LENT_BYTES), arena.reserve(SLAB_BYTES)];
    const [sent, seen] = [createHash('sha256'), createHash('sha256')];
    let waiting = 0;
    let value = 0;
    const drain = (most: number): void => {
      for (let left = most; left > 0; left--) {
        const bytes = calls.read(reading, at, SLAB_BYTES);
        if (bytes <= 0) return;
        seen.update(arena.bytes.subarray(at, at + bytes));
      }
    };
    for (let round = 0; round < 300; round++) {
      const bytes = 1 + random([40, 3000, 20_000][random(3)]!);
      if (random(2) === 0) {
        const from = lent + random(LENT_BYTES - bytes);
        // Whatever was lent from there was made its own before.
        expect(outgoing.own()).toBe(true);
        arena.bytes.fill(value++, from, from + bytes);
        outgoing.lend(from, bytes);
        sent.update(arena.bytes.subarray(from, from + bytes));
      } else {
        const copied = Buffer.alloc(bytes, value++);
        expect(outgoing.copy(copied, 0, bytes)).toBe(true);
        sent.update(copied);
        copied.fill(0);
      }
      waiting += bytes;
      expect(outgoing.bytes).toBe(waiting);
      if (random(3) === 0) expect([0, -EAGAIN]).toContain(outgoing.send(writing));
      waiting = outgoing.bytes;
      if (random(4) === 0) drain(random(10));
    }
    while (outgoing.send(writing) === -EAGAIN) drain(100);
    expect([outgoing.bytes, slabs.taken]).toEqual([0, 0]);
    calls.close(writing);
    drain(100);
    expect(seen.digest('hex')).toBe(sent.digest('hex'));
  },
);

test('what there is no slab for is not taken; what waits goes back when dropped', async () => {
  await using rig = new SocketRig({ slabBytes: 3 * SLAB_BYTES });
  const { arena, slabs } = rig.reactor;
  const outgoing = new Outgoing(rig.reactor, socketShare(rig.reactor));
  const memory = Buffer.alloc(4 * SLAB_BYTES);
  expect(outgoing.copy(memory, 0, 100)).toBe(true);
  expect(outgoing.copy(memory, 0, 3 * SLAB_BYTES)).toBe(false);
  expect(outgoing.bytes).toBe(100);
  expect(outgoing.copy(memory, 0, 3 * SLAB_BYTES - 100)).toBe(true);
  expect([outgoing.bytes, slabs.left]).toEqual([3 * SLAB_BYTES, 0]);
  const lent = arena.reserve(SLAB_BYTES);
  outgoing.lend(lent, SLAB_BYTES);
  expect(outgoing.own()).toBe(false);
  expect(outgoing.drop()).toBe(4 * SLAB_BYTES);
  expect([outgoing.bytes, slabs.taken]).toEqual([0, 0]);
});

test('the last slabs are for connections that need few', async () => {
  await using rig = new SocketRig({ slabBytes: 64 * SLAB_BYTES });
  const share = socketShare(rig.reactor);
  const [many, few] = [new Outgoing(rig.reactor, share), new Outgoing(rig.reactor, share)];
  const memory = Buffer.alloc(SLAB_BYTES);
  for (let count = 0; count < 60; count++) expect(many.copy(memory, 0, SLAB_BYTES)).toBe(true);
  expect(many.copy(memory, 0, SLAB_BYTES)).toBe(false);
  expect([few.copy(memory, 0, SLAB_BYTES), few.bytes, many.bytes]).toEqual([true, SLAB_BYTES, 60 * SLAB_BYTES]);
  for (const outgoing of [many, few]) outgoing.drop();
});

test('what is lent counts once when it is copied', async () => {
  await using rig = new SocketRig({ slabBytes: 64 * SLAB_BYTES });
  const share = socketShare(rig.reactor);
  const [many, few] = [new Outgoing(rig.reactor, share), new Outgoing(rig.reactor, share)];
  for (let count = 0; count < 60; count++) many.copy(Buffer.alloc(SLAB_BYTES), 0, SLAB_BYTES);
  few.lend(rig.reactor.readMemory.records, 3 * SLAB_BYTES);
  expect([few.own(), few.bytes]).toEqual([true, 3 * SLAB_BYTES]);
  for (const outgoing of [many, few]) outgoing.drop();
});

test('ranges that follow each other are one piece, and small copies share a slab', async () => {
  await using rig = new SocketRig();
  const outgoing = new Outgoing(rig.reactor, socketShare(rig.reactor));
  for (let count = 0; count < 100; count++) outgoing.copy(Buffer.alloc(100), 0, 100);
  expect(rig.reactor.slabs.taken).toBe(1);
  const at = rig.reactor.arena.reserve(300);
  for (const offset of [0, 100, 200]) outgoing.lend(at + offset, 100);
  expect(outgoing.own()).toBe(true);
  expect([outgoing.bytes, rig.reactor.slabs.taken]).toEqual([10_300, 1]);
  outgoing.drop();
});
