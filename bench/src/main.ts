/** `npm run bench`: measures this ztunnel beside others, see README.md. */
import process, { argv, cwd, stderr, stdout } from 'node:process';
import { renderLibraryLines } from './libraries/render-lines.ts';
import { runLibraries } from './libraries/run-libraries.ts';
import { type BenchOptions, parseOptions, USAGE } from './options.ts';
import { describeMachine, type Machine } from './report/machine.ts';
import { renderTable } from './report/render-table.ts';
import { buildReport } from './report/report.ts';
import { runBench } from './run-bench.ts';
import { timeLimitMs } from './time-limit.ts';

/** Longest time the libraries may take before they are cut off; a quiet machine needs half a minute. */
const LIBRARIES_LIMIT_MS = 300_000;
const QUICK_NOTICE = '--quick: shows that it works; do not read the numbers\n';
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    // npm runs scripts in the root of the workspace; paths are those of whoever called it.
    const options = parseOptions(argv.slice(2), process.env['INIT_CWD'] ?? cwd());
    if (options === undefined) {
      stdout.write(USAGE);
      return 0;
    }
    warnOfQuick(options);
    const machine = describeMachine();
    const stopped = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => stopped.abort(new Error(`ended by ${signal}`)));
    if (options.librarySamples !== undefined)
      return await measureLibraries(options, options.librarySamples, machine, stopped.signal);
    const outcome = await runBench(options, {
      environment: process.env,
      signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(timeLimitMs(options))]),
      onStep: showStep,
    });
    clearStep();
    const report = buildReport(outcome, options, machine);
    stdout.write(options.json ? `${JSON.stringify(report, undefined, 1)}\n` : renderTable(report));
    // Others' failures are news, ours are a fault.
    return (report.failed[report.subject ?? ''] ?? 0) > 0 ? EXIT_FAILED : 0;
  } catch (error) {
    clearStep();
    const code = error instanceof Error && 'code' in error ? `${String(error.code)}: ` : '';
    stderr.write(`${code}${error instanceof Error ? error.message : String(error)}\n`);
    return code.startsWith('BENCH_OPTIONS') ? EXIT_USAGE : EXIT_FAILED;
  }
}

/** Where it does not disturb programs. */
function warnOfQuick({ quick, json }: BenchOptions): void {
  if (quick) (json ? stderr : stdout).write(QUICK_NOTICE);
}

/** Exit code 1 if a budget is exceeded. */
async function measureLibraries(
  { json }: BenchOptions,
  samples: number,
  machine: Machine,
  signal: AbortSignal,
): Promise<number> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(LIBRARIES_LIMIT_MS)]);
  const lines = await runLibraries({ samples, signal: limited, onStep: showStep });
  clearStep();
  stdout.write(json ? `${JSON.stringify({ machine, lines }, undefined, 1)}\n` : renderLibraryLines(lines, machine));
  return lines.every(({ ok }) => ok) ? 0 : EXIT_FAILED;
}

/** One line that changes on a terminal; nothing elsewhere. */
function showStep(step: string): void {
  if (stderr.isTTY) stderr.write(`\r${step}\u001b[K`);
}

function clearStep(): void {
  if (stderr.isTTY) stderr.write('\r\u001b[K');
}
