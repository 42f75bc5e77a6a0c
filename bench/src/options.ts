import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { BASELINE_NAMES } from './contestants/baselines.ts';
import { BenchError } from './errors.ts';
import { TRIALS } from './measure/trials.ts';

/** Name of the contestant that is the project's own ztunnel. */
export const OURS = 'ours';
/** Name of the contestant that is the same on Node's own sockets and TLS. */
export const NODE_ENGINE = 'node';

/** Another ztunnel. */
export interface RivalOptions {
  readonly name: string;
  readonly command: readonly string[];
}

/** What to measure, how long and how often. */
export interface BenchOptions {
  readonly rounds: number;
  /** Of each measurement. */
  readonly seconds: number;
  /** Before each measurement, under load, in seconds. */
  readonly warmUpSeconds: number;
  /** Under load before memory is read, in seconds. */
  readonly memoryWarmUpSeconds: number;
  /** Rest before memory is read, in seconds: accounts are closed, garbage is collected. */
  readonly settleSeconds: number;
  readonly heldConnections: number;
  /** Names of trials. */
  readonly trials: ReadonlySet<string>;
  readonly baselines: ReadonlySet<string>;
  readonly ours: boolean;
  /** The project's own on its other engine: what to compare with, where there is no other ztunnel. */
  readonly nodeEngine: boolean;
  readonly rivals: readonly RivalOptions[];
  /** The project's own from its sources, not as a bundle: for profiles, not for numbers. */
  readonly sources: boolean;
  readonly quick: boolean;
  readonly json: boolean;
  /** Measure the libraries instead, so many samples of each number. */
  readonly librarySamples: number | undefined;
}

/** Text of `--help`. */
export const USAGE = `npm run bench -- [OPTION]...

  --ztunnel CMD   measure this ztunnel in the place of ours on Node's sockets; may be repeated. CMD is split at spaces,
                  "proxy ztunnel" is added
  --rounds N      rounds of all measurements (3)
  --seconds S     length of a measurement (2)
  --libraries     instead, the numbers of the libraries beside their budgets
  --quick         1 round of 0.5 s and 100 open connections: whether it works, not how fast
  --trial NAME    only this (${TRIALS.map(({ name }) => name).join(', ')}, memory); may be repeated
  --skip NAME     without this contestant (${[OURS, NODE_ENGINE, ...BASELINE_NAMES].join(', ')}); may be repeated
  --sources       our ztunnel from its sources, not as the bundle that users run: for profiles, it needs more memory
  --json          one object of JSON with every sample on stdout instead of the table
`;

/** Name of the trial that measures memory; it is no part of the rounds. */
export const MEMORY_TRIAL = 'memory';

const DEFAULT_ROUNDS = 3;
const DEFAULT_SECONDS = 2;
const DEFAULT_WARM_UP_SECONDS = 0.5;
/** As in the measurements that the project's targets are from. */
const DEFAULT_MEMORY_WARM_UP_SECONDS = 2;
const DEFAULT_SETTLE_SECONDS = 1;
const DEFAULT_HELD = 1_000;
const QUICK_SECONDS = 0.5;
const QUICK_WARM_UP_SECONDS = 0.2;
const QUICK_MEMORY_WARM_UP_SECONDS = 0.2;
const QUICK_SETTLE_SECONDS = 0.2;
const QUICK_HELD = 100;
const LIBRARY_SAMPLES = 9;
const QUICK_LIBRARY_SAMPLES = 3;
const MAX_ROUNDS = 100;
const MAX_SECONDS = 60;
/** As much as fits at the head of a column. */
const MAX_NAME = 8;

/**
 * Reads the command line; relative paths of commands are below `directory`. Undefined if help was asked for.
 * Throws BENCH_OPTIONS_INVALID.
 */
export function parseOptions(args: readonly string[], directory: string): BenchOptions | undefined {
  const values = readArguments(args);
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  const trialNames = [...TRIALS.map(({ name }) => name), MEMORY_TRIAL];
  const contestantNames = [OURS, NODE_ENGINE, ...BASELINE_NAMES];
  const skipped = new Set((values.skip ?? []).map((name) => oneOf(name, '--skip', contestantNames)));
  const trials = new Set((values.trial ?? trialNames).map((name) => oneOf(name, '--trial', trialNames)));
  const rivals = nameRivals(values.ztunnel ?? [], directory);
  if (contestantNames.every((name) => skipped.has(name)) && rivals.length === 0)
    throw new BenchError('BENCH_OPTIONS_INVALID', '--skip: nothing is left to measure');
  return {
    rounds: inRange(values.rounds, '--rounds', { fallback: quick ? 1 : DEFAULT_ROUNDS, least: 1, most: MAX_ROUNDS }),
    seconds: inRange(values.seconds, '--seconds', {
      fallback: quick ? QUICK_SECONDS : DEFAULT_SECONDS,
      least: 0.1,
      most: MAX_SECONDS,
    }),
    warmUpSeconds: quick ? QUICK_WARM_UP_SECONDS : DEFAULT_WARM_UP_SECONDS,
    memoryWarmUpSeconds: quick ? QUICK_MEMORY_WARM_UP_SECONDS : DEFAULT_MEMORY_WARM_UP_SECONDS,
    settleSeconds: quick ? QUICK_SETTLE_SECONDS : DEFAULT_SETTLE_SECONDS,
    heldConnections: quick ? QUICK_HELD : DEFAULT_HELD,
    trials,
    baselines: new Set(BASELINE_NAMES.filter((name) => !skipped.has(name))),
    ours: !skipped.has(OURS),
    nodeEngine: rivals.length === 0 && !skipped.has(NODE_ENGINE),
    rivals,
    sources: values.sources === true,
    quick,
    json: values.json === true,
    librarySamples: values.libraries === true ? countLibrarySamples(values.rounds, quick) : undefined,
  };
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        ztunnel: { type: 'string', multiple: true },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        quick: { type: 'boolean' },
        libraries: { type: 'boolean' },
        trial: { type: 'string', multiple: true },
        skip: { type: 'string', multiple: true },
        sources: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new BenchError('BENCH_OPTIONS_INVALID', `${message} (see --help)`, { cause });
  }
}

function countLibrarySamples(rounds: string | undefined, quick: boolean): number {
  const fallback = quick ? QUICK_LIBRARY_SAMPLES : LIBRARY_SAMPLES;
  return inRange(rounds, '--rounds', { fallback, least: 1, most: MAX_ROUNDS });
}

function oneOf(name: string, option: string, known: readonly string[]): string {
  if (known.includes(name)) return name;
  throw new BenchError('BENCH_OPTIONS_INVALID', `${option} ${name}: want one of ${known.join(', ')}`);
}

function inRange(
  text: string | undefined,
  option: string,
  range: { readonly fallback: number; readonly least: number; readonly most: number },
): number {
  const value = text === undefined ? range.fallback : Number(text);
  if (value >= range.least && value <= range.most) return value;
  throw new BenchError(
    'BENCH_OPTIONS_INVALID',
    `${option} ${text}: want a number from ${range.least} to ${range.most}`,
  );
}

function nameRivals(commands: readonly string[], directory: string): RivalOptions[] {
  const taken = new Set([OURS, NODE_ENGINE, ...BASELINE_NAMES]);
  return commands.map((text) => {
    const [program = '', ...rest] = text.split(' ').filter((word) => word !== '');
    if (program === '') throw new BenchError('BENCH_OPTIONS_INVALID', '--ztunnel: want a command');
    const base =
      basename(program)
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, '-')
        .slice(0, MAX_NAME) || 'ztunnel';
    let name = base;
    for (let count = 2; taken.has(name); count += 1) name = `${base.slice(0, MAX_NAME - 1)}${count}`;
    taken.add(name);
    return { name, command: [program.includes('/') ? resolve(directory, program) : program, ...rest] };
  });
}
