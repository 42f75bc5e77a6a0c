/**
 * A data thread on the reactor that stands still while there is a file `spin-N` in its working directory, and throws once
 * there is `crash-N`; N is its number. See `hooks.ts`.
 */
import { existsSync, rmSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { createReactorEngine } from '@ambientmesh/reactor';
import { runDataThread } from '@ambientmesh/ztunnel/data-thread';

const { thread }: { readonly thread: number } = workerData.config;

runDataThread((limits) => {
  const engine = createReactorEngine(limits);
  const turn = engine.turn.bind(engine);
  engine.turn = (timeoutMs) => {
    while (existsSync(`spin-${thread}`));
    if (existsSync(`crash-${thread}`)) {
      rmSync(`crash-${thread}`);
      throw new Error('a fault of this test');
    }
    turn(timeoutMs);
  };
  return engine;
});
