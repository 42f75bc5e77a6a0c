import { expect, test } from 'vitest';
import { renderOpenMetrics } from './open-metrics.ts';
import { ThreadMetrics } from './thread-metrics.ts';

const CALM = { descriptors: { paused: 0, pauses: 0 }, memory: { paused: 0, pauses: 0 } };

/** Turns of 1, 2, 4 … microseconds: one of each, and one of more than a second. */
const turnTimes = { turns: 22, totalMs: 1500, buckets: Array.from({ length: 22 }, () => 1) };
const engine = { holdings: { descriptors: 7, slabs: 2, tlsHandles: 3 }, turnTimes };

function linesOf(metrics: ThreadMetrics): string[] {
  return renderOpenMetrics(metrics.families())
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

test('what the engine of a thread holds, and its turns added up', () => {
  const metrics = new ThreadMetrics(1_048_576);
  for (let report = 0; report < 2; report++) metrics.add(1, { accepting: CALM, engine });
  const lines = linesOf(metrics);
  expect(lines.filter((line) => line.includes('turn_seconds'))).toEqual([
    ...[
      ['0.000016', 10],
      ['0.000064', 14],
      ['0.000256', 18],
      ['0.001024', 22],
      ['0.004096', 26],
      ['0.016384', 30],
      ['0.065536', 34],
      ['0.262144', 38],
      ['1.048576', 42],
      ['+Inf', 44],
    ].map(([le, value]) => `ambientmesh_data_thread_turn_seconds_bucket{thread="1",le="${le}"} ${value}`),
    'ambientmesh_data_thread_turn_seconds_sum{thread="1"} 3',
    'ambientmesh_data_thread_turn_seconds_count{thread="1"} 44',
  ]);
  expect(lines).toEqual(
    expect.arrayContaining([
      'ambientmesh_data_thread_descriptors{thread="1"} 7',
      'ambientmesh_data_thread_tls_handles{thread="1"} 3',
      'ambientmesh_data_thread_unsent_bytes{thread="1"} 32768',
      'ambientmesh_data_thread_unsent_limit_bytes{thread="1"} 1048576',
    ]),
  );
});

test('pauses of accepting are counted, those that go on are shown; no engine, no samples of it', () => {
  const metrics = new ThreadMetrics(1);
  metrics.add(1, { accepting: { ...CALM, memory: { paused: 2, pauses: 3 } } });
  metrics.add(0, { accepting: CALM });
  metrics.add(1, { accepting: { ...CALM, memory: { paused: 1, pauses: 1 } } });
  expect(linesOf(metrics)).toEqual([
    ...acceptLines('paused', [0, 0, 0, 1]),
    ...acceptLines('pauses_total', [0, 0, 0, 4]),
  ]);
});

/** Of two threads, by what is exhausted. */
function acceptLines(name: string, values: readonly number[]): string[] {
  return ['0', '1'].flatMap((thread, index) =>
    ['descriptors', 'memory'].map(
      (exhausted, which) =>
        `ambientmesh_data_thread_accept_${name}{thread="${thread}",exhausted="${exhausted}"} ${values[2 * index + which]}`,
    ),
  );
}
