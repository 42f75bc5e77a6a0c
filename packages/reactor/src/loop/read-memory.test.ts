import { expect, test } from 'vitest';
import { Arena } from '../memory/arena.ts';
import { IOVEC } from '../native/kernel-layout.ts';
import { ReadMemory, SLOT_BYTES, SLOT_HEADROOM_BYTES, SLOT_PAYLOAD_BYTES } from './read-memory.ts';

test('a frame of one slot, with its header, is one TLS record', () => {
  expect(SLOT_PAYLOAD_BYTES + SLOT_HEADROOM_BYTES).toBe(16_384);
});

test.each([
  { max: 0, lengths: [] },
  { max: 1, lengths: [1] },
  { max: SLOT_PAYLOAD_BYTES, lengths: [SLOT_PAYLOAD_BYTES] },
  { max: SLOT_PAYLOAD_BYTES + 1, lengths: [SLOT_PAYLOAD_BYTES, 1] },
  { max: 16 * SLOT_PAYLOAD_BYTES, lengths: Array<number>(16).fill(SLOT_PAYLOAD_BYTES) },
  { max: Number.MAX_SAFE_INTEGER, lengths: Array<number>(16).fill(SLOT_PAYLOAD_BYTES) },
])('prepare($max) makes vectors of the payloads of slots', ({ max, lengths }) => {
  using arena = new Arena(1_048_576);
  const memory = new ReadMemory(arena);
  const { vectors, count } = memory.prepare(max);
  const made = Array.from({ length: count }, (_, index) => {
    const at = vectors + index * IOVEC.size;
    return [Number(arena.view.getBigUint64(at, true)), Number(arena.view.getBigUint64(at + IOVEC.length, true))];
  });
  expect(made).toEqual(
    lengths.map((length, index) => [arena.address(memory.slots, 0) + index * SLOT_BYTES + 9, length]),
  );
});

test('the start of a payload is told from every other place', () => {
  using arena = new Arena(1_048_576);
  const memory = new ReadMemory(arena);
  for (let slot = 0; slot < memory.slotCount; slot++) {
    const at = memory.payloadOf(slot);
    expect([at - 1, at, at + 1, at - SLOT_HEADROOM_BYTES].map((place) => memory.isPayloadStart(place))).toEqual([
      false,
      true,
      false,
      false,
    ]);
  }
  for (const place of [memory.payloadOf(-1), memory.payloadOf(16), memory.records + 9, Number.NaN])
    expect(memory.isPayloadStart(place)).toBe(false);
});

test('slots and records do not overlap', () => {
  using arena = new Arena(1_048_576);
  const memory = new ReadMemory(arena);
  expect(memory.records).toBeGreaterThanOrEqual(memory.payloadOf(15) + SLOT_PAYLOAD_BYTES);
  expect(arena.reserve(1)).toBeGreaterThanOrEqual(memory.records + memory.recordsBytes);
});
