import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));
const EXECUTABLE = 0o755;
const TIMEOUT_MS = 50_000;

/** How a command ended, and what it said. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that has been started. `said` grows. */
export interface Running {
  readonly child: ChildProcess;
  readonly said: { readonly stdout: string; readonly stderr: string };
  readonly ended: Promise<Ending>;
}

/** The repository's tools as they are after `git clone`: nothing is installed. */
export class FreshClone implements Disposable {
  // Not a name that `traces` takes for a lab's.
  readonly #directory = mkdtempSync(join(tmpdir(), 'fresh-clone-'));
  readonly #programs = join(this.#directory, 'bin');
  readonly #temporary = join(this.#directory, 'tmp');
  readonly root = join(this.#directory, 'repository');

  constructor() {
    for (const folder of [this.#programs, this.#temporary, this.root]) mkdirSync(folder);
    for (const name of ['tools', 'package.json', 'package-lock.json'])
      cpSync(join(REPOSITORY, name), join(this.root, name), { recursive: true });
  }

  /** From now on a shell script is `npm`. In it, `report WORDS` tells `reported`. */
  replaceNpm(script: string): void {
    const report = `report() { echo "$@" >'${this.#directory}/new' && mv '${this.#directory}/new' '${this.#report}'; }`;
    this.#addProgram(join(this.#programs, 'npm'), `${report}\n${script}`);
  }

  /** Does what an installation would have; the project's own Node runs the tools only, a shell script runs all else. */
  install(script: string): void {
    mkdirSync(join(this.root, 'node_modules/.bin'), { recursive: true });
    const runTool = `case "$1" in tools/*) exec '${process.execPath}' "$@" ;; esac`;
    this.#addProgram(join(this.root, 'node_modules/.bin/node'), `${runTool}\n${script}`);
    writeFileSync(join(this.root, 'node_modules/.package-lock.json'), '{}');
  }

  /** Starts a command in the root of the clone. */
  start(...argv: readonly string[]): Running {
    return startCommand(argv, {
      cwd: this.root,
      env: {
        PATH: [this.#programs, dirname(process.execPath), process.env['PATH']].join(delimiter),
        TMPDIR: this.#temporary,
        npm_config_cache: join(this.#directory, 'cache'),
        npm_config_update_notifier: 'false',
      },
    });
  }

  /** What the replaced npm has reported; empty before. */
  reported(): string {
    return existsSync(this.#report) ? readFileSync(this.#report, 'utf8').trim() : '';
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }

  get #report(): string {
    return join(this.#directory, 'report');
  }

  #addProgram(path: string, script: string): void {
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: EXECUTABLE });
  }
}

/** Starts a command without a terminal; it is killed after 20 s. */
export function startCommand(
  [command = '', ...args]: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string | undefined>> },
): Running {
  const child = spawn(command, args, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  const ended = new Promise<Ending>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...said }));
  });
  return { child, said, ended };
}

/** Process ids of what `pid` has started, and they in turn. */
export function descendantsOf(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => ({ pid: Number(entry), parent: parentOf(entry) }));
  const children = parents.filter(({ parent }) => parent === pid).map((process) => process.pid);
  return [...children, ...children.flatMap((child) => descendantsOf(child))];
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}
