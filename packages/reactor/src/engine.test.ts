import { type EngineHarness, engineContract } from '@ambientmesh/hbone/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { createReactorEngine } from './engine.ts';
import { EngineRig, openDescriptors } from './testing/engine-rig.ts';

// Not its own limits, for which a test would wait for half a minute.
const LIMITS = { closeLingerMs: 100, closeStalledMs: 400 };

describe('the rules of every engine', () => {
  const rig = new EngineRig(createReactorEngine({ debug: true, ...LIMITS }));
  afterAll(async () => rig[Symbol.asyncDispose]());
  const harness: EngineHarness = {
    engine: rig.engine,
    tellsUnannouncedEnds: true,
    listen: async (accepted) => rig.listen(accepted),
    dial: async (port) => rig.dial(port),
    turn: async () => rig.turn(),
    openDescriptors,
  };

  // oxlint-disable-next-line vitest/expect-expect -- the cases assert, for every runner
  test.each(engineContract)('$name', async ({ run }) => run(harness));

  test('when all is over, nothing is held', async () => {
    await rig.until(
      () => rig.engine.holdings.descriptors === 0 && rig.engine.holdings.tlsHandles === 0,
      'descriptors and TLS connections given back',
    );
    expect(rig.engine.holdings).toEqual({ descriptors: 0, slabs: 0, tlsHandles: 0 });
  });
});

test('an engine that is closed has given back its descriptors, twice as well', () => {
  const before = openDescriptors();
  const engine = createReactorEngine();
  expect(openDescriptors()).toBeGreaterThan(before);
  engine.close();
  engine.close();
  expect(openDescriptors()).toBe(before);
  expect(() => engine.turn(0)).toThrow(expect.objectContaining({ code: 'REACTOR_CLOSED' }));
});
