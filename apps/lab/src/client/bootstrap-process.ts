import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { StartReport } from '../control-protocol.ts';
import { LabError } from '../errors.ts';

/** What the starter of a lab holds of it. */
export interface Bootstrap {
  readonly process: ReturnType<typeof spawn>;
  /** As long as it is open the lab lives. */
  readonly lifeline: Writable;
  readonly reports: Readable;
  /** Descriptor of what is said on stderr, for `followReports`: the lab removes its folder when it ends. */
  readonly log: number;
}

/** Starts the command of `buildBootstrapCommand`; what it says on stderr goes to `logPath`. Throws LAB_START_FAILED. */
export function spawnBootstrap(command: readonly string[], logPath: string, path: string): Bootstrap {
  const [program = '', ...args] = command;
  const errors = openSync(logPath, 'a', 0o600);
  try {
    const log = openSync(logPath, 'r');
    // A session of its own: Ctrl-C is the starter's, who then ends the lab in order.
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', errors],
      detached: true,
      cwd: '/',
      env: { PATH: path },
    });
    const { stdin: lifeline, stdout: reports } = child;
    if (lifeline === null || reports === null) throw new LabError('LAB_START_FAILED', 'no pipes to the lab');
    lifeline.on('error', () => undefined);
    return { process: child, lifeline, reports, log };
  } finally {
    closeSync(errors);
  }
}

/** Resolves at `ready`; closes `log`. Throws what the supervisor reports, or LAB_START_FAILED with how it ended and the last line of its log. */
export async function followReports(
  reports: Readable,
  context: {
    readonly exit: Promise<string>;
    readonly log: number;
    readonly onStep: ((step: string) => void) | undefined;
  },
): Promise<void> {
  try {
    for await (const line of createInterface({ input: reports })) {
      const report: StartReport = JSON.parse(line);
      if ('error' in report) throw new LabError(report.error.code, report.error.message);
      if ('ready' in report) return;
      context.onStep?.(report.step);
    }
    const how = await context.exit;
    const said = readFileSync(context.log, 'utf8').trim().split('\n').at(-1) ?? '';
    throw new LabError('LAB_START_FAILED', `the lab ended before it was up: ${how}${said === '' ? '' : `: ${said}`}`);
  } finally {
    reports.destroy();
    closeSync(context.log);
  }
}

/** Process 1 of the lab: the only child of `unshare`. */
export function findInit(unsharePid: number): number {
  const children = readFileSync(`/proc/${unsharePid}/task/${unsharePid}/children`, 'utf8').trim();
  const pid = Number(children.split(' ')[0]);
  if (!Number.isInteger(pid) || pid <= 0) throw new LabError('LAB_START_FAILED', 'process 1 of the lab has ended');
  return pid;
}
