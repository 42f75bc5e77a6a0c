import { droppedLines, type LogBacklog } from '../../log/log-backlog.ts';
import type { MetricFamily, MetricSample } from './open-metrics.ts';

/** Lines that are missing in the log: of the control thread, and of the data threads by their number. */
export function droppedLinesFamily(control: LogBacklog, dataThreads: readonly LogBacklog[]): MetricFamily {
  return {
    name: 'ambientmesh_log_lines_dropped',
    kind: 'counter',
    help: 'Log lines that were dropped because nobody read the log in time.',
    samples: [sample('control', control), ...dataThreads.map((backlog, thread) => sample(String(thread), backlog))],
  };
}

function sample(thread: string, backlog: LogBacklog): MetricSample {
  return { labels: [['thread', thread]], value: droppedLines(backlog) };
}
