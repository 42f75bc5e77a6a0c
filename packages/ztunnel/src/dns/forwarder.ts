import { AnswerCache } from './answer-cache.ts';
import type { ForwardOutcome } from './forward-outcome.ts';
import { failure, type NameServer, NameServerAttempt } from './name-server-attempt.ts';
import type { NameServerSockets } from './name-server-sockets.ts';
import { type Question, questionKey } from './question.ts';

/** Different questions that name servers are being asked at a time, for one pod; each needs a socket or two. */
export const MAX_QUESTIONS_IN_FLIGHT = 256;

export interface ForwarderOptions {
  readonly servers: readonly NameServer[];
  readonly sockets: NameServerSockets;
  /** Milliseconds for one try. */
  readonly tryTimeoutMs: number;
  readonly tries: number;
  /** Monotonic milliseconds. */
  now(): number;
}

/** One question on its way, and everybody who waits for it. */
interface Flight {
  readonly waiting: ((outcome: ForwardOutcome) => void)[];
  attempt: NameServerAttempt | undefined;
}

/**
 * Passes the questions of one pod on to name servers: refusals and silence are tried again, answers are remembered as long
 * as their TTLs say, and who asks what is being asked already waits for the same answer.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #cache: AnswerCache;
  readonly #flights = new Map<string, Flight>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#cache = new AnswerCache(() => options.now());
  }

  /** Calls `done` once, at once if the answer is remembered, unless `close` comes first. */
  forward(question: Question, done: (outcome: ForwardOutcome) => void): void {
    const key = questionKey(question);
    const remembered = this.#cache.get(key);
    if (remembered !== undefined) {
      done(remembered);
      return;
    }
    const flight = this.#flights.get(key);
    if (flight !== undefined) {
      flight.waiting.push(done);
      return;
    }
    if (this.#options.servers.length === 0) done(failure('unreachable', 'no name servers'));
    else if (this.#flights.size >= MAX_QUESTIONS_IN_FLIGHT) done(failure('unreachable', 'too many questions'));
    else {
      const started: Flight = { waiting: [done], attempt: undefined };
      this.#flights.set(key, started);
      this.#try(key, question, this.#options.tries);
    }
  }

  /** Nobody is called any more. */
  close(): void {
    for (const { attempt } of this.#flights.values()) attempt?.cancel();
    this.#flights.clear();
  }

  #try(key: string, question: Question, triesLeft: number): void {
    const flight = this.#flights.get(key);
    if (flight === undefined) return;
    const { servers, sockets, tryTimeoutMs } = this.#options;
    flight.attempt = new NameServerAttempt({ question, servers, sockets, timeoutMs: tryTimeoutMs }, (outcome) => {
      const isFinal = outcome.kind === 'answer' || outcome.kind === 'empty';
      if (!isFinal && triesLeft > 1) this.#try(key, question, triesLeft - 1);
      else this.#finish(key, flight, outcome);
    });
  }

  #finish(key: string, flight: Flight, outcome: ForwardOutcome): void {
    this.#flights.delete(key);
    this.#cache.put(key, outcome, outcome.cacheSeconds);
    for (const done of flight.waiting) done(outcome);
  }
}
