import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LabClient } from '@ambientmesh/lab';
import { BenchError } from '../errors.ts';
import type { Commands } from '../load/answer-commands.ts';

const SOURCE_CONDITION = '--conditions=@ambientmesh/source';
/** A process that has nothing to do but answer; on a machine that is busy by intent. */
const ANSWER_TIMEOUT_MS = 20_000;
const MAX_ERROR_TEXT = 2_000;

interface Pending {
  readonly resolve: (line: string) => void;
  readonly reject: (error: BenchError) => void;
  readonly timer: NodeJS.Timeout;
}

/** A script of ours that runs in a pod and answers commands, see `load/answer-commands.ts`. It ends with `close`, or with the lab. */
export class Agent<C extends Commands<C>> implements AsyncDisposable {
  /** Of the process that entered the pod; the script is below it. */
  readonly pid: number;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #errorText = '';
  #failure: BenchError | undefined;

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    child.once('error', (cause) => this.#fail(`cannot be started: ${cause.message}`));
    child.once('exit', (code, signal) => this.#fail(`ended (${signal ?? `exit ${code}`}): ${this.#errorText.trim()}`));
    child.stdin?.on('error', () => undefined);
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#errorText = `${this.#errorText}${chunk.toString()}`.slice(-MAX_ERROR_TEXT);
    });
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => this.#receive(line));
  }

  /** Starts `script`, a path below `bench/src`, in a pod. */
  static start<C extends Commands<C>>(lab: LabClient, pod: string, script: string): Agent<C> {
    const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
    const child = lab.spawnIn(pod, [process.execPath, SOURCE_CONDITION, path], { stdio: ['pipe', 'pipe', 'pipe'] });
    return new Agent(`${script} in ${pod}`, child);
  }

  /** Asks and waits. Throws BENCH_AGENT_FAILED with what the script says, BENCH_TIMEOUT. */
  request<K extends keyof C & string>(command: K, ...given: Parameters<C[K]>): Promise<Awaited<ReturnType<C[K]>>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#lastId += 1;
      const id = this.#lastId;
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new BenchError('BENCH_TIMEOUT', `${this.#name}: no answer to ${command} in ${ANSWER_TIMEOUT_MS} ms`));
      }, ANSWER_TIMEOUT_MS);
      this.#pending.set(id, { resolve: (line) => resolve(JSON.parse(line).result), reject, timer });
      this.#child.stdin?.write(`${JSON.stringify({ id, command, given })}\n`);
    });
  }

  /** Ends the process and waits for that. Idempotent. */
  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #receive(line: string): void {
    const answer: { id: number; error?: string } = JSON.parse(line);
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) return;
    this.#pending.delete(answer.id);
    clearTimeout(pending.timer);
    if (answer.error === undefined) pending.resolve(line);
    else pending.reject(new BenchError('BENCH_AGENT_FAILED', `${this.#name}: ${answer.error}`));
  }

  #fail(how: string): void {
    this.#failure = new BenchError('BENCH_AGENT_FAILED', `${this.#name}: ${how}`);
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(this.#failure);
    }
    this.#pending.clear();
  }
}
