import { createServer } from 'node:net';
import { type EngineHarness, engineContract } from '@ambientmesh/hbone/testing';
import { test } from 'vitest';
import { dialPlain, openDescriptors, portOf } from '../testing/loopback.ts';
import { createNodeEngine } from './engine.ts';

// Not its own limits, for which a test would wait for half a minute.
const engine = createNodeEngine({ closeLingerMs: 100, closeStalledMs: 400 });
const harness: EngineHarness = {
  engine,
  listen: async (accepted) => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      accepted(engine.adopt(socket)),
    );
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return { port: portOf(server), close: () => void server.close() };
  },
  dial: async (port) => dialPlain(engine, port, () => {}),
  turn: async () =>
    new Promise((resolve) => {
      setImmediate(resolve);
    }),
  openDescriptors,
};

// oxlint-disable-next-line vitest/expect-expect -- the cases assert, for every runner
test.each(engineContract)('$name', async ({ run }) => run(harness));
