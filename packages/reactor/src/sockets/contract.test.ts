import type { Engine } from '@ambientmesh/hbone';
import { type EngineHarness, engineContract } from '@ambientmesh/hbone/testing';
import { afterAll, test } from 'vitest';
import { openDescriptors, SocketRig } from './testing/socket-rig.ts';

const rig = new SocketRig();
afterAll(async () => rig[Symbol.asyncDispose]());

const noTls = (): never => {
  throw new Error('no TLS here');
};
const engine: Engine = {
  listen: noTls,
  connect: noTls,
  credentials: noTls,
  secureServer: noTls,
  secureClient: noTls,
  after: (ms, callback) => rig.reactor.after(ms, callback),
  atEndOfTurn: (callback) => rig.reactor.atEndOfTurn(callback),
  now: () => rig.reactor.now(),
};
const harness: EngineHarness = {
  engine,
  listen: async (accepted) => rig.listen(accepted),
  dial: async (port) => rig.dial(port),
  turn: async () => rig.turn(),
  openDescriptors,
};
/** The rules of `Plain`, and those of the engine that need no TLS; the rest is for the engine as a whole. */
const cases = engineContract.filter(
  ({ name }) => /^Plain|^Engine/.test(name) && !/credentials|however connections end/.test(name),
);

// oxlint-disable-next-line vitest/expect-expect -- the cases assert, for every runner
test.each(cases)('$name', async ({ run }) => run(harness));
