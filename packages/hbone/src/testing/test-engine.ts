import { createNodeEngine, type NodeEngine } from '../node-engine/engine.ts';

let create: () => NodeEngine = createNodeEngine;

/** The engine that this run of the tests is about: Node's, unless `testOn` has named another. */
export function createTestEngine(): NodeEngine {
  return create();
}

/** For Vitest's set-up files: the same tests on another engine. */
export function testOn(createEngine: () => NodeEngine): void {
  create = createEngine;
}
