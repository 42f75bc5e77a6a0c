import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, getuid } from 'node:process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { BenchError } from '../errors.ts';
import { spreadOf } from '../statistics.ts';
import {
  isWithinBudget,
  type LibraryFigure,
  type LibraryLine,
  type LibraryScript,
  type Samples,
  SCRIPTS,
} from './figures.ts';
import { writePlanningInput } from './write-planning-input.ts';

const SOURCE_CONDITION = '--conditions=@ambientmesh/source';
const ISOLATE = ['unshare', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
/** What a process may do is up to it in a user namespace of its own. */
const AS_ROOT = ['--user', '--map-root-user'];

/** How often to measure, and who is told. */
export interface LibraryRun {
  readonly samples: number;
  readonly signal: AbortSignal;
  readonly onStep: (step: string) => void;
}

/**
 * Measures the libraries, one after another, each beside its baseline.
 * Throws BENCH_AGENT_FAILED with what a script says that fails; and the signal's reason.
 */
export async function runLibraries({ samples, signal, onStep }: LibraryRun): Promise<LibraryLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    onStep('writing a large save');
    const input = writePlanningInput(folder);
    const lines: LibraryLine[] = [];
    for (const script of SCRIPTS) {
      onStep(script.file);
      const runs = script.freshProcesses ? samples : 1;
      const answers: Record<string, Samples>[] = [];
      for (let run = 0; run < runs; run += 1)
        answers.push(await runScript(script, [String(script.freshProcesses ? 1 : samples), ...input], signal));
      lines.push(...script.figures.map((figure) => buildLine(figure, answers)));
    }
    return lines;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runScript(
  { file, isolated }: LibraryScript,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Record<string, Samples>> {
  signal.throwIfAborted();
  const path = fileURLToPath(new URL(file, import.meta.url));
  const isolation = isolated ? [...ISOLATE, ...(getuid?.() === 0 ? [] : AS_ROOT)] : [];
  const [program, ...rest] = [...isolation, execPath, SOURCE_CONDITION, path, ...args];
  const child: ChildProcess = spawn(program ?? execPath, rest, { stdio: ['ignore', 'pipe', 'pipe'], signal });
  const output = child.stdout === null ? '' : text(child.stdout);
  const complaint = child.stderr === null ? '' : text(child.stderr);
  try {
    const [code]: unknown[] = await once(child, 'close');
    if (code !== 0) throw new BenchError('BENCH_AGENT_FAILED', `${file}: ${(await complaint).trim()}`);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  return JSON.parse(await output);
}

function buildLine(figure: LibraryFigure, answers: readonly Record<string, Samples>[]): LibraryLine {
  const value = spreadOf(answers.flatMap((answer) => answer[figure.key]?.value ?? []));
  const baseline = spreadOf(answers.flatMap((answer) => answer[figure.key]?.baseline ?? []));
  if (value === undefined || baseline === undefined)
    throw new BenchError('BENCH_AGENT_FAILED', `${figure.label}: no samples`);
  return { ...figure, value, baseline, ok: isWithinBudget(figure, value.median, baseline.median) };
}
