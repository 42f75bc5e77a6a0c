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

test.each(['turn', 'close'] as const)('%s from inside of a turn is refused, and changes nothing', async (method) => {
  await using rig = new EngineRig(createReactorEngine({ debug: true }));
  const { engine } = rig;
  const events: string[] = [];
  const refused = (where: string): void => {
    expect(() => engine[method]()).toThrow(expect.objectContaining({ code: 'REACTOR_IN_TURN' }));
    events.push(where);
  };
  engine.after(0, () => refused('timer'));
  engine.atEndOfTurn(() => refused('end of turn'));
  engine.atEndOfTurn(() => events.push('the next'));
  const { port, close } = rig.listen((plain) => {
    refused('accepted');
    plain.handler = { readable: () => {}, written: () => {}, failed: () => {} };
    plain.write(Buffer.from('hello'), 0, 5);
    plain.close();
  });
  const dialled = await rig.dial(port);
  let received = '';
  const bytes = (memory: Uint8Array, start: number, end: number): void =>
    void (received += Buffer.from(memory.subarray(start, end)).toString());
  const read = (): void => {
    while (dialled.read(100, { bytes }) > 0);
  };
  const readable = (): void => {
    refused('readable');
    read();
  };
  dialled.handler = { readable, written: () => {}, failed: () => {} };
  read();
  await rig.until(() => received === 'hello', 'what was written');
  expect(events).toEqual(expect.arrayContaining(['timer', 'end of turn', 'the next', 'accepted']));
  dialled.close();
  close();
  await rig.until(() => engine.holdings.descriptors === 0, 'descriptors given back');
});
