import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import process, { execArgv } from 'node:process';
import { fileURLToPath } from 'node:url';

/** What a process of a measurement answers to one word. */
export type Answers = Readonly<Record<string, (argument: number[]) => Promise<readonly number[]> | readonly number[]>>;

const MICROSECONDS = 1e6;

/** In the child: tells its port, and answers until its parent is gone. */
export function serveRole(port: number, answers: Answers): void {
  const all: Answers = {
    cpu: () => [cpuSeconds()],
    memory: () => {
      // The flavour that also hands pages back that V8 keeps for later.
      globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      return [process.memoryUsage.rss()];
    },
    ...answers,
  };
  process.on('message', (message) => {
    const [name, ...argument] = Array.isArray(message) ? message : [];
    Promise.resolve(all[String(name)]?.(argument.map(Number))).then(
      (answer) => process.send?.(answer ?? []),
      (error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
        process.exit(1);
      },
    );
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.([port]);
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / MICROSECONDS;
}

/** A process of a measurement, seen from outside. */
export class RoleProcess {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Starts `file` of this folder; resolves when it serves. */
  static async start(file: string, ...args: readonly (string | number)[]): Promise<RoleProcess> {
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), args.map(String), {
      execArgv: [...execArgv, '--expose-gc'],
    });
    const [port] = await answerOf(child);
    return new RoleProcess(child, port ?? 0);
  }

  async ask(name: string, ...argument: readonly number[]): Promise<readonly number[]> {
    this.#child.send([name, ...argument]);
    return answerOf(this.#child);
  }

  stop(): void {
    this.#child.disconnect();
  }
}

/** One message of `child`; rejects if it ends first. */
async function answerOf(child: ChildProcess): Promise<readonly number[]> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    const [what]: unknown[] = await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(() => ['exit']),
    ]);
    if (what === 'exit') throw new Error('a process of the measurement ended');
    return Array.isArray(what) ? what.map(Number) : [];
  } finally {
    settled.abort();
  }
}
