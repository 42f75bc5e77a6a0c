import { expect, test } from 'vitest';
import { runsOnEngine } from './engine.ts';

const info = (engine: string, reason = ''): string =>
  `# TYPE ambientmesh_engine_info gauge\nambientmesh_engine_info{engine="${engine}",reason="${reason}"} 1\n`;

test.each([
  { metrics: info('reactor'), engine: 'reactor', runs: true },
  { metrics: info('node'), engine: 'node', runs: true },
  // Before a data thread has told.
  { metrics: '# TYPE ambientmesh_engine_info gauge\n# EOF\n', engine: 'reactor', runs: false },
] as const)('$engine is in use: $runs', ({ metrics, engine, runs }) => {
  expect(runsOnEngine(metrics, engine)).toBe(runs);
});

test.each([
  { metrics: info('node', String.raw`self-test, reactor: \"koffi\"`), reason: 'self-test, reactor: "koffi"' },
  { metrics: info('node'), reason: 'no reason given' },
  // One thread of two.
  { metrics: info('reactor') + info('node', 'memory'), reason: 'memory' },
])('a fallback is an error that gives the reason: $reason', ({ metrics, reason }) => {
  expect(() => runsOnEngine(metrics, 'reactor')).toThrow(
    expect.objectContaining({
      code: 'BENCH_ENGINE_FELL_BACK',
      message: `want engine reactor, data threads are on node: ${reason}`,
    }),
  );
});
