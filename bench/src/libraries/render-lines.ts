import type { Machine } from '../report/machine.ts';
import type { Spread } from '../statistics.ts';
import type { LibraryLine } from './figures.ts';

const HEADS = ['', 'median', 'range', 'baseline', 'range', 'ratio', 'budget', '', ''];
const NOTHING = '-';
const SMALL = 10;
const BOUNDS = { most: '', least: '>=', 'most ratio': '<=x', 'least ratio': '>=x' } as const;

/** The numbers of the libraries for people; the last column says what the baseline is. */
export function renderLibraryLines(lines: readonly LibraryLine[], machine: Machine): string {
  const rows = [HEADS, ...lines.map(renderCells)];
  const widths = HEADS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const table = rows.map((row) =>
    row
      .map((cell, column) => (isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  const where = `Linux ${machine.kernel} ${machine.architecture}, Node ${machine.node}, ${machine.cores} cores of ${machine.cpuModel}, load before ${machine.loadAverage.toFixed(1)}`;
  return `${[`${machine.startedAt.slice(0, 16).replace('T', ' ')} UTC, ${where}`, '', ...table].join('\n')}\n`;
}

function renderCells({ label, unit, value, baseline, budget, bound, ok, baselineLabel }: LibraryLine): string[] {
  return [
    unit === '' ? label : `${label}, ${unit}`,
    renderNumber(value.median),
    renderRange(value),
    renderNumber(baseline.median),
    renderRange(baseline),
    baseline.median === 0 ? NOTHING : (value.median / baseline.median).toFixed(1),
    budget === undefined ? NOTHING : `${BOUNDS[bound ?? 'most']}${budget}`,
    budget === undefined ? '' : ok ? 'ok' : 'OVER',
    `baseline: ${baselineLabel}`,
  ];
}

function isText(column: number): boolean {
  return column === 0 || column === HEADS.length - 1;
}

function renderRange({ min, max }: Spread): string {
  return `${renderNumber(min)}-${renderNumber(max)}`;
}

function renderNumber(value: number): string {
  return value.toFixed(value < SMALL ? 1 : 0);
}
