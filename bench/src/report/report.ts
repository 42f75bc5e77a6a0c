import type { Sample } from '../measure/sample.ts';
import type { BenchOptions } from '../options.ts';
import { OURS } from '../options.ts';
import type { BenchOutcome } from '../run-bench.ts';
import { pairedRatios, type Spread, spreadOf } from '../statistics.ts';
import { type Figure, listFigures } from './figures.ts';
import type { Machine } from './machine.ts';

/** A figure with what every contestant reached. */
export interface ReportLine extends Figure {
  /** By contestant's name, in the figure's unit, over the rounds. */
  readonly values: Readonly<Record<string, Spread>>;
  /** `subject` divided by each other contestant, round by round. */
  readonly ratios: Readonly<Record<string, Spread>>;
}

/** All of a run, for people and for programs. */
export interface Report {
  readonly machine: Machine;
  readonly options: { readonly rounds: number; readonly seconds: number; readonly heldConnections: number };
  readonly contestants: BenchOutcome['contestants'];
  /** Whose ratios are given: our own ztunnel, if it took part. */
  readonly subject: string | undefined;
  readonly lines: readonly ReportLine[];
  /** By contestant's name: how many of its requests and connections failed. */
  readonly failed: Readonly<Record<string, number>>;
  readonly samples: readonly Sample[];
}

/** Puts samples together. */
export function buildReport(outcome: BenchOutcome, options: BenchOptions, machine: Machine): Report {
  const { contestants, samples } = outcome;
  const { rounds, seconds, heldConnections } = options;
  const names = contestants.map(({ name }) => name);
  const subject = names.find((name) => name === OURS) ?? names.at(-1);
  const lines = listFigures(heldConnections).map((figure) => buildLine(figure, { names, subject, samples }));
  return {
    machine,
    options: { rounds, seconds, heldConnections },
    contestants,
    subject,
    lines: lines.filter(({ values }) => Object.keys(values).length > 0),
    failed: Object.fromEntries(names.map((name) => [name, countFailures(samples, name)])),
    samples,
  };
}

interface Measured {
  readonly names: readonly string[];
  readonly subject: string | undefined;
  readonly samples: readonly Sample[];
}

function buildLine(figure: Figure, { names, subject, samples }: Measured): ReportLine {
  const values: Record<string, Spread> = {};
  const ratios: Record<string, Spread> = {};
  const series = (name: string): (number | undefined)[] =>
    samples
      .filter((sample) => sample.contestant === name && sample.trial === figure.trial)
      .map(({ metrics }) => metrics[figure.metric]);
  for (const name of names) {
    const own = series(name).flatMap((value) => (value === undefined ? [] : [value * figure.scale]));
    const spread = spreadOf(own);
    if (spread !== undefined) values[name] = spread;
    if (name === subject || subject === undefined) continue;
    const ratio = spreadOf(pairedRatios(series(subject), series(name)));
    if (ratio !== undefined) ratios[name] = ratio;
  }
  return { ...figure, values, ratios };
}

function countFailures(samples: readonly Sample[], contestant: string): number {
  return samples
    .filter((sample) => sample.contestant === contestant)
    .flatMap(({ failures }) => Object.values(failures))
    .reduce((sum, count) => sum + count, 0);
}
