import { expect, test } from 'vitest';
import { listFigures } from './figures.ts';
import { renderTable } from './render-table.ts';
import type { Report } from './report.ts';

const report: Report = {
  machine: {
    startedAt: '2026-01-01T00:00:00.000Z',
    kernel: '6.1',
    architecture: 'x64',
    node: '26.0.0',
    cores: 2,
    cpuModel: 'a processor',
    memoryBytes: 2 ** 33,
    loadAverage: 0,
  },
  options: { rounds: 3, seconds: 2, heldConnections: 1000 },
  contestants: [{ name: 'ours', description: 'what is measured' }],
  subject: 'ours',
  lines: listFigures(1000).map((figure) => ({ ...figure, values: {}, ratios: {} })),
  failed: {},
  samples: [],
};

test('every block says what is better in it', () => {
  const lines = renderTable(report).split('\n');
  expect(lines.filter((line) => line.endsWith('is better') || line.endsWith(' higher'))).toEqual([
    'Throughput, Gbit/s: higher is better',
    'CPU seconds of both proxies per gigabyte: lower is better',
    'New connections, 16 at a time: lower is better, connections/s higher',
    '1 KiB there and back, 1000/s on 16 warm connections: lower is better',
    '1 KiB there and back, as fast as it goes on 64 warm connections: lower is better, requests/s higher',
    'Memory of both proxies, MB: lower is better',
    'Anonymous memory of both proxies that a further connection adds, KiB: lower is better',
  ]);
  expect(lines.filter((line) => line.length > 100)).toEqual([]);
});
