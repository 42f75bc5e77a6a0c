import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LabClient } from '@ambientmesh/lab';

const DRIVER = fileURLToPath(new URL('crowd-driver.ts', import.meta.url));
const SOURCE_CONDITION = '--conditions=@ambientmesh/source';

/** What the driver is told. `read`: asks the server for so many bytes, reads the first of them and then nothing. */
type CrowdOperation =
  | {
      readonly operation: 'gather';
      readonly host: string;
      readonly port: number;
      readonly count: number;
      readonly read?: number;
    }
  | { readonly operation: 'count' | 'echo' | 'pulse' }
  | { readonly operation: 'beat'; readonly host: string; readonly port: number };
export type CrowdRequest = CrowdOperation & { readonly id: number };

/** What it answers. */
export type CrowdAnswer =
  | { readonly id: number; readonly result: CrowdCounts | Pulse | undefined }
  | { readonly id: number; readonly error: string };

export interface CrowdCounts {
  readonly open: number;
  /** Ended or cut by the other side. */
  readonly ended: number;
}

/** Round trips on one connection, one after the other. */
export interface Pulse {
  readonly trips: number;
  readonly longestMs: number;
  readonly failure?: string;
}

/** An application in a pod that holds very many connections. It ends with `close`, or with the lab. */
export class Crowd implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, PromiseWithResolvers<CrowdAnswer>>();
  readonly #ended: Promise<void>;
  #lastId = 0;

  constructor(lab: LabClient, pod: string) {
    this.#process = lab.spawnIn(pod, [process.execPath, SOURCE_CONDITION, DRIVER], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const { stdin, stdout } = this.#process;
    if (stdin === null || stdout === null) throw new Error('no pipes to the driver');
    stdin.on('error', () => undefined);
    createInterface({ input: stdout }).on('line', (line) => {
      const answer: CrowdAnswer = JSON.parse(line);
      this.#pending.get(answer.id)?.resolve(answer);
      this.#pending.delete(answer.id);
    });
    this.#ended = new Promise((resolve) => {
      this.#process.once('close', () => {
        for (const { reject } of this.#pending.values()) reject(new Error('the driver has ended'));
        resolve();
      });
    });
  }

  /** Opens connections to an echo server; each has done a round trip. */
  gather(host: string, port: number, count: number): Promise<CrowdCounts> {
    return this.#askForCounts({ operation: 'gather', host, port, count });
  }

  /** Opens connections to a `source`, asks each for `bytes`, and reads only the first of them. */
  gatherStopped(target: { readonly host: string; readonly port: number }, count: number, bytes: number) {
    return this.#askForCounts({ operation: 'gather', ...target, count, read: bytes });
  }

  count(): Promise<CrowdCounts> {
    return this.#askForCounts({ operation: 'count' });
  }

  /** A round trip on every connection that is open. */
  echo(): Promise<CrowdCounts> {
    return this.#askForCounts({ operation: 'echo' });
  }

  /** Measures round trips on a connection of its own while `work` goes on. */
  async measure<Result>(
    target: { readonly host: string; readonly port: number },
    work: () => Promise<Result>,
  ): Promise<{ readonly result: Result; readonly pulse: Pulse }> {
    await this.#ask({ operation: 'beat', ...target });
    const result = await work();
    const pulse = await this.#ask({ operation: 'pulse' });
    if (pulse === undefined || !('trips' in pulse)) throw new Error('no pulse');
    return { result, pulse };
  }

  /** Ends the application and all of its connections. */
  async close(): Promise<void> {
    this.#process.stdin?.end();
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #askForCounts(operation: CrowdOperation): Promise<CrowdCounts> {
    const counts = await this.#ask(operation);
    if (counts === undefined || !('open' in counts)) throw new Error('no counts');
    return counts;
  }

  async #ask(operation: CrowdOperation): Promise<CrowdCounts | Pulse | undefined> {
    const id = ++this.#lastId;
    const pending = Promise.withResolvers<CrowdAnswer>();
    this.#pending.set(id, pending);
    this.#process.stdin?.write(`${JSON.stringify({ id, ...operation })}\n`);
    const answer = await pending.promise;
    if ('error' in answer) throw new Error(answer.error);
    return answer.result;
  }
}
