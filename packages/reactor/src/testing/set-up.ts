/** A set-up file of Vitest: the tests of other packages that make a test engine run on the reactor. */
import assert from 'node:assert/strict';
import { testOn } from '@ambientmesh/hbone/testing';
import { afterAll, vi } from 'vitest';
import { AdoptingEngine } from './adopting-engine.ts';

const NOTHING = { descriptors: 0, slabs: 0, tlsHandles: 0 };
const PATIENCE = { timeout: 10_000, interval: 10 };
const HOOK_TIMEOUT_MS = 15_000;

/** One for all that a file of tests makes, as a thread has one. */
let engine: AdoptingEngine | undefined;
testOn(() => (engine ??= new AdoptingEngine()));

afterAll(async () => {
  const used = engine;
  engine = undefined;
  if (used === undefined) return;
  await vi.waitFor(() => assert.deepEqual(used.holdings, NOTHING), PATIENCE);
  used.close();
}, HOOK_TIMEOUT_MS);
