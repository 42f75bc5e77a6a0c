import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { ProcessStatus } from '../control-protocol.ts';
import { inNamespace } from './run-program.ts';

/** As kubelet's CrashLoopBackOff, at the scale of a lab: doubles from the first to the last. */
const FIRST_BACKOFF_MS = 500;
const LAST_BACKOFF_MS = 30_000;
/** A process that ran this long starts over with the first back-off. */
const HEALTHY_AFTER_MS = 30_000;

/** What to run, where. */
export interface ProcessOptions {
  /** Name of the network namespace. */
  readonly namespace: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  /** Both output streams are appended here. */
  readonly logPath: string;
  /** Start it again when it ends by itself. */
  readonly restart: boolean;
}

/** One long-running process of the lab, as a container with a restart policy. */
export class SupervisedProcess {
  readonly options: ProcessOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #wanted = false;
  #starts = 0;
  #restarts = 0;
  #lastExit: string | undefined;
  #backoffMs = FIRST_BACKOFF_MS;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProcessOptions) {
    this.options = options;
  }

  /** Starts the process unless it runs. */
  start(): void {
    this.#wanted = true;
    clearTimeout(this.#timer);
    if (this.#child !== undefined) return;
    const { namespace, command, environment, workingDirectory, logPath } = this.options;
    const [program, ...args] = inNamespace(namespace, command);
    const log = openSync(logPath, 'a');
    const startedAtMs = Date.now();
    let child: ChildProcess;
    try {
      child = spawn(program, args, { env: environment, cwd: workingDirectory, stdio: ['ignore', log, log] });
    } finally {
      closeSync(log);
    }
    this.#child = child;
    this.#starts += 1;
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        if (this.#child !== child) return;
        this.#child = undefined;
        this.#lastExit = how;
        this.#scheduleRestart(Date.now() - startedAtMs);
        resolve();
      };
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(signal ?? `exit ${code}`));
    });
  }

  /** Sends a signal to the process; what follows is the restart policy's. False if it does not run. */
  signal(signal: NodeJS.Signals): boolean {
    return this.#child?.kill(signal) ?? false;
  }

  /** Ends the process for good: `signal`, after `graceMs` SIGKILL. Resolves when it has ended. Idempotent. */
  async stop(signal: NodeJS.Signals, graceMs: number): Promise<void> {
    this.#wanted = false;
    clearTimeout(this.#timer);
    if (this.#child === undefined) return;
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), graceMs);
    try {
      await this.#ended;
    } finally {
      clearTimeout(timer);
    }
  }

  status(): ProcessStatus {
    return {
      pid: this.#child?.pid,
      running: this.#child !== undefined,
      starts: this.#starts,
      restarts: this.#restarts,
      ...(this.#lastExit === undefined ? {} : { lastExit: this.#lastExit }),
    };
  }

  #scheduleRestart(ranMs: number): void {
    if (!this.#wanted || !this.options.restart) return;
    if (ranMs >= HEALTHY_AFTER_MS) this.#backoffMs = FIRST_BACKOFF_MS;
    this.#timer = setTimeout(() => {
      this.#restarts += 1;
      this.start();
    }, this.#backoffMs);
    this.#backoffMs = Math.min(this.#backoffMs * 2, LAST_BACKOFF_MS);
  }
}
