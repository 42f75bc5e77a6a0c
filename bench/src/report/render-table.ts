import { BASELINE_NAMES, DIRECT } from '../contestants/baselines.ts';
import type { Spread } from '../statistics.ts';
import type { Report, ReportLine } from './report.ts';

const MAX_WIDTH = 100;
const LABEL_WIDTH = 20;
const VALUE_WIDTH = 9;
/** As much as its head, `ours/ztunnel`, needs. */
const RATIO_WIDTH = 13;
/** A ratio with its range: `1.25 1.20-1.31`. */
const RANGED_RATIO_WIDTH = 16;
const NOTHING = '-';
const SIGNIFICANT_DIGITS = 3;
const GIBIBYTE = 1_024 ** 3;

interface Layout {
  readonly names: readonly string[];
  /** Contestants by which the subject is divided. */
  readonly references: readonly string[];
  readonly ranges: boolean;
}

/** The report for people, at most 100 columns wide with up to two ztunnels beside ours. */
export function renderTable(report: Report): string {
  const names = report.contestants.map(({ name }) => name);
  const layout = planLayout(report, names);
  const lines = [...renderHeader(report), '', renderHeads(report, layout)];
  let section = '';
  for (const line of report.lines) {
    if (line.section !== section) lines.push('', renderSection(line.section, report.lines));
    section = line.section;
    lines.push(renderLine(line, layout));
  }
  lines.push(
    '',
    renderRow(
      'Failed',
      names.map((name) => String(report.failed[name] ?? 0)),
      [],
    ),
    ...renderFailures(report),
  );
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

function planLayout(report: Report, names: readonly string[]): Layout {
  const others = names.filter((name) => name !== report.subject);
  // Beside direct TCP, another ztunnel says most; without one, the first pair does.
  const first = others.find((name) => !BASELINE_NAMES.includes(name)) ?? others.find((name) => name !== DIRECT);
  const references = [DIRECT, first].flatMap((name) => (name !== undefined && others.includes(name) ? [name] : []));
  const width = LABEL_WIDTH + names.length * VALUE_WIDTH + references.length * RANGED_RATIO_WIDTH;
  return { names, references, ranges: report.options.rounds > 1 && width <= MAX_WIDTH };
}

function renderHeader(report: Report): string[] {
  const { machine, options, contestants } = report;
  const memory = `${Math.round(machine.memoryBytes / GIBIBYTE)} GiB`;
  return [
    `${machine.startedAt.slice(0, 16).replace('T', ' ')} UTC, Linux ${machine.kernel} ${machine.architecture}, Node ${machine.node}`,
    `${machine.cores} cores of ${machine.cpuModel}, ${memory}, load before ${machine.loadAverage.toFixed(1)}`,
    `medians of ${options.rounds} x ${options.seconds} s; client, proxies and server share the cores: read the ratios`,
    '',
    ...contestants.map(({ name, description }) => `${name.padEnd(VALUE_WIDTH)} ${description}`),
  ];
}

/** With what is good in it; lines of which the opposite is true are named. */
function renderSection(section: string, lines: readonly ReportLine[]): string {
  const own = lines.filter((line) => line.section === section);
  const higher = own.filter(({ better }) => better === 'higher').map(({ label }) => label);
  if (higher.length === own.length) return `${section}: higher is better`;
  const except = higher.length === 0 ? '' : `, ${higher.join(', ')} higher`;
  return `${section}: lower is better${except}`;
}

function renderHeads(report: Report, layout: Layout): string {
  const heads = layout.references.map((name) => pad(`${report.subject}/${name}`, layout));
  return renderRow('', layout.names, heads);
}

function renderLine(line: ReportLine, layout: Layout): string {
  const values = layout.names.map((name) => renderNumber(line.values[name]?.median));
  const ratios = layout.references.map((name) => pad(renderRatio(line.ratios[name], layout.ranges), layout));
  return renderRow(`  ${line.label}`, values, ratios);
}

function renderRow(label: string, values: readonly string[], ratios: readonly string[]): string {
  return label.padEnd(LABEL_WIDTH) + values.map((value) => value.padStart(VALUE_WIDTH)).join('') + ratios.join('');
}

function renderNumber(value: number | undefined): string {
  if (value === undefined) return NOTHING;
  return value >= 10 ** (SIGNIFICANT_DIGITS - 1) ? value.toFixed(0) : value.toPrecision(SIGNIFICANT_DIGITS);
}

function renderRatio(ratio: Spread | undefined, ranges: boolean): string {
  if (ratio === undefined) return NOTHING;
  const [middle, low, high] = [ratio.median, ratio.min, ratio.max].map((value) => value.toFixed(value < 10 ? 2 : 1));
  return ranges && low !== high ? `${middle} ${low}-${high}` : `${middle}`;
}

function pad(text: string, { ranges }: Layout): string {
  return ranges ? `  ${text.padEnd(RANGED_RATIO_WIDTH - 2)}` : text.padStart(RATIO_WIDTH);
}

function renderFailures(report: Report): string[] {
  return report.samples.flatMap(({ contestant, trial, round, failures }) =>
    Object.entries(failures).map(
      ([reason, count]) => `  ${contestant}, ${trial}, round ${round}: ${count} x ${reason}`,
    ),
  );
}
