import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { ToDataThread } from './protocol.ts';
import type { SynchronousEngine } from './synchronous-engine.ts';
import { LONGEST_TURN_MS, MESSAGES_A_TURN, MESSAGES_MS, runThreadLoop } from './thread-loop.ts';

/** Runs the loop on messages that wait already and take so long each. Answers the turns: their time-outs, and what was applied before. */
function run(messages: readonly ToDataThread[], messageMs = 0) {
  let nowMs = 0;
  const { port1, port2 } = new MessageChannel();
  for (const message of messages) port1.postMessage(message);
  const turns: { readonly timeoutMs: number; readonly applied: number }[] = [];
  let [applied, beats] = [0, 0];
  const engine = { turn: (timeoutMs: number) => void turns.push({ timeoutMs, applied }) };
  runThreadLoop({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the loop uses nothing else of it
    engine: engine as SynchronousEngine,
    port: port2,
    apply: () => {
      applied++;
      nowMs += messageMs;
    },
    beat: () => beats++,
    now: () => nowMs,
  });
  port1.close();
  return { turns, beats: () => beats, applied };
}

const report = (id: number): ToDataThread => ({ type: 'report', id });

test('so many messages a turn; while more wait, a turn does not', () => {
  const many = Array.from({ length: 2 * MESSAGES_A_TURN }, (_, id) => report(id));
  const { turns, beats } = run([...many, { type: 'end' }]);
  const limits = turns.map(({ timeoutMs, applied }) => [timeoutMs, applied]);
  expect(limits).toEqual([
    [0, 0],
    [0, MESSAGES_A_TURN],
    [0, 2 * MESSAGES_A_TURN],
    [0, 2 * MESSAGES_A_TURN + 1],
  ]);
  expect(beats()).toBe(3);
});

test('long messages leave the connections their turns', () => {
  const { turns } = run([report(1), report(2), { type: 'end' }], MESSAGES_MS);
  expect(turns.map(({ applied }) => applied)).toEqual([0, 1, 2, 3]);
});

test('with nothing to do it waits, and the end is the end', () => {
  const { port1, port2 } = new MessageChannel();
  const timeouts: number[] = [];
  const applied: string[] = [];
  const engine = {
    turn: (timeoutMs: number) => {
      timeouts.push(timeoutMs);
      if (timeouts.length !== 2) return;
      for (const message of [{ type: 'end' }, report(1)]) port1.postMessage(message);
    },
  };
  runThreadLoop({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the loop uses nothing else of it
    engine: engine as SynchronousEngine,
    port: port2,
    apply: ({ type }) => applied.push(type),
    beat: () => undefined,
    now: () => 0,
  });
  port1.close();
  expect(timeouts).toEqual([0, LONGEST_TURN_MS, 0]);
  expect(applied).toEqual(['end']);
});
