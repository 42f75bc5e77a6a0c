import { afterAll, beforeAll, expect, test } from 'vitest';
import { Arena, judge } from './arena.ts';
import { ATTACKS } from './attacks.ts';

let arena: Arena | undefined;
const uncaught: unknown[] = [];
const hear = (error: unknown): void => void uncaught.push(error);

beforeAll(async () => {
  process.on('uncaughtException', hear);
  process.on('unhandledRejection', hear);
  arena = await Arena.open();
});

afterAll(async () => {
  await arena?.close();
  process.off('uncaughtException', hear);
  process.off('unhandledRejection', hear);
});

const SIDES = ['server', 'client'] as const;

test.each(
  SIDES.flatMap((side) =>
    ATTACKS.filter((attack) => attack[side] !== undefined && attack.soakOnly !== true).map((attack) => ({
      side,
      attack,
    })),
  ),
)(
  '$side: $attack.name',
  async ({ side, attack }) => {
    expect(judge(attack, side, await arena!.play(attack, side))).toEqual([]);
  },
  30_000,
);

test('no attack reached the process', () => {
  expect(uncaught).toEqual([]);
});

test('every attack has a name of its own', () => {
  expect(new Set(ATTACKS.map(({ name }) => name)).size).toBe(ATTACKS.length);
});
