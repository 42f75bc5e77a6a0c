import { expect, test } from 'vitest';
import { parseLogFilter } from '../log/log-filter.ts';
import { LogRoot } from '../log/logger.ts';
import { Engines } from './engines.ts';
import { renderOpenMetrics } from './telemetry/open-metrics.ts';

function start(levels = 'info,ztunnel::data_thread=debug') {
  const filter = parseLogFilter(levels);
  if (typeof filter === 'string') throw new Error(filter);
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text), flush: () => Promise.resolve() };
  const engines = new Engines(new LogRoot({ format: 'plain', filter, sink }).logger('data_thread'));
  const took = (thread: number, engine: 'reactor' | 'node', reason = ''): void =>
    engines.took(thread, { type: 'engine', engine, reason, wakeDescriptor: undefined });
  const metric = (): string[] =>
    renderOpenMetrics([engines.family()])
      .split('\n')
      .filter((line) => line.includes('{'));
  return { engines, lines, took, metric };
}

test('what was asked for is told once for all threads, at debug', () => {
  const { engines, lines, took, metric } = start();
  took(1, 'reactor');
  took(0, 'reactor');
  expect(lines).toEqual([expect.stringMatching(/\tdebug\tdata_thread\tdata threads run on the reactor engine\t\n$/)]);
  expect(metric()).toEqual(['ambientmesh_engine_info{engine="reactor",reason=""} 1']);
  expect(engines.describe()).toEqual([
    { thread: 0, engine: 'reactor', reason: '' },
    { thread: 1, engine: 'reactor', reason: '' },
  ]);
});

test('the start has the lines of the reference and no other', () => {
  const { lines, took } = start('info');
  took(0, 'reactor');
  expect(lines).toEqual([]);
});

test('a fall-back is one warning for all threads, and in the metric', () => {
  const { lines, took, metric } = start();
  for (const thread of [0, 1, 2]) took(thread, 'node', 'not built');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/\twarn\tdata_thread\tthe reactor engine cannot be used here: .*\treason="not built"\n$/);
  took(3, 'reactor');
  expect(metric()).toEqual([
    'ambientmesh_engine_info{engine="node",reason="not built"} 1',
    'ambientmesh_engine_info{engine="reactor",reason=""} 1',
  ]);
});
