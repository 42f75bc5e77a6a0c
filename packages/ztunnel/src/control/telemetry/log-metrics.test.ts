import { expect, test } from 'vitest';
import { addWaiting, createLogBacklog, LineGate, MAX_BACKLOG_CHARS } from '../../log/log-backlog.ts';
import { droppedLinesFamily } from './log-metrics.ts';
import { renderOpenMetrics } from './open-metrics.ts';

test('dropped lines are counted for each thread, also when there are none', () => {
  const [control, first, second] = [createLogBacklog(), createLogBacklog(), createLogBacklog()];
  addWaiting(second, MAX_BACKLOG_CHARS);
  const gate = new LineGate(second);
  expect([gate.admits(), gate.admits(), gate.takeUntold()]).toEqual([false, false, 0]);
  expect(
    renderOpenMetrics([droppedLinesFamily(control, [first, second])]),
  ).toBe(`# HELP ambientmesh_log_lines_dropped Log lines that were dropped because nobody read the log in time.
# TYPE ambientmesh_log_lines_dropped counter
ambientmesh_log_lines_dropped_total{thread="control"} 0
ambientmesh_log_lines_dropped_total{thread="0"} 0
ambientmesh_log_lines_dropped_total{thread="1"} 2
# EOF
`);
});
