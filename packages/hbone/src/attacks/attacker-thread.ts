import { Worker } from 'node:worker_threads';
import type { Report } from './attack.ts';

/** What the attacking thread is told. Without `port` it plays the server. */
export type AttackerCommand =
  | { readonly kind: 'attack'; readonly attack: string; readonly port?: number; readonly factor: number }
  | { readonly kind: 'finish' };

/** What it answers. */
export type AttackerEvent =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'attacked'; readonly report: Report }
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly message: string };

/** The thread that attacks, as seen from the thread under attack. One attack at a time. */
export class AttackerThread {
  readonly #worker: Worker;
  #hear: (event: AttackerEvent) => void = () => {};

  constructor() {
    this.#worker = new Worker(new URL('attacker-worker.ts', import.meta.url), { execArgv: [] });
    this.#worker.on('message', (event: AttackerEvent) => this.#hear(event));
    this.#worker.on('error', (error) => this.#hear({ kind: 'failed', message: String(error) }));
  }

  /** Attacks the server on `port` and answers what the attacker saw. */
  async attackServer(attack: string, factor: number, port: number): Promise<Report> {
    const event = await this.#ask({ kind: 'attack', attack, factor, port });
    if (event.kind === 'attacked') return event.report;
    throw unexpected(event);
  }

  /** Listens for one client; `report` settles when the attack on it is over. */
  async listen(attack: string, factor: number): Promise<{ readonly port: number; readonly report: Promise<Report> }> {
    const event = await this.#ask({ kind: 'attack', attack, factor });
    if (event.kind !== 'listening') throw unexpected(event);
    const report = this.#report();
    return { port: event.port, report };
  }

  /** The attacker ends what is left of its connection. */
  async finish(): Promise<void> {
    const event = await this.#ask({ kind: 'finish' });
    if (event.kind !== 'finished') throw unexpected(event);
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  async #report(): Promise<Report> {
    const event = await this.#next();
    if (event.kind === 'attacked') return event.report;
    throw unexpected(event);
  }

  async #ask(command: AttackerCommand): Promise<AttackerEvent> {
    const answer = this.#next();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#worker.postMessage(command);
    return answer;
  }

  #next(): Promise<AttackerEvent> {
    return new Promise((resolve) => {
      this.#hear = resolve;
    });
  }
}

function unexpected(event: AttackerEvent): Error {
  return new Error(event.kind === 'failed' ? event.message : `attacker: ${event.kind}`);
}
