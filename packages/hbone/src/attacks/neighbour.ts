import type { ClientConnection } from '../tunnel/client-connection.ts';
import type { ClientStream } from '../tunnel/tunnel-stream.ts';

const MESSAGE = Buffer.alloc(64, 'n');
/** Long enough to leave the machine to the attack, short enough to see every stall. */
const PACE_MS = 1;
const OK = 200;
const WAIT_MS = 10_000;
const TELLS_THREAD = Reflect.has(process, 'threadCpuUsage');

/** What a neighbour saw since it was last asked. */
export interface Stall {
  readonly roundTrips: number;
  /** Longest round trip. */
  readonly wallMs: number;
  /** Most that this thread computed within one round trip: unlike `wallMs` it does not depend on other processes. */
  readonly cpuMs: number;
}

/** A stream that does one round trip after another and measures how long each takes. */
export class Neighbour {
  readonly #stream: ClientStream;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #failure: string | undefined;
  #due = 0;
  #sentMs = 0;
  #sentCpuMs = 0;
  #roundTrips = 0;
  #wallMs = 0;
  #cpuMs = 0;
  #arrival: (() => void) | undefined;

  /** Opens the stream; rejects if it is refused. */
  static open(connection: ClientConnection): Promise<Neighbour> {
    return new Promise((resolve, reject) => {
      const fields = [
        [':method', 'CONNECT'],
        [':authority', 'echo:1'],
      ] as const;
      const opened = connection.open(fields, {
        response: (stream, status) => {
          if (status === OK) resolve(new Neighbour(stream));
          else reject(new Error(`neighbour: status ${status}`));
        },
        failed: (failure) => reject(new Error(`neighbour: ${failure.kind}`)),
      });
      if (opened === undefined) reject(new Error('neighbour: no stream'));
    });
  }

  /** Use `open`. */
  constructor(stream: ClientStream) {
    this.#stream = stream;
    stream.handler = {
      data: (_memory, start, end) => this.#arrived(end - start),
      ended: () => this.#fail('ended'),
      writable: () => this.#trySend(),
      failed: (failure) => this.#fail(failure.kind === 'reset' ? `reset ${failure.code}` : failure.failure.code),
    };
    stream.start();
    this.#send();
  }

  /** Why it no longer runs. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Waits for a whole round trip from now on; rejects if the stream fails. */
  async roundTrip(): Promise<void> {
    const until = this.#roundTrips + 2;
    const timer = setTimeout(() => this.#fail('no echo'), WAIT_MS);
    while (this.#roundTrips < until && this.#failure === undefined)
      await new Promise<void>((resolve) => {
        this.#arrival = resolve;
      });
    clearTimeout(timer);
    if (this.#failure !== undefined) throw new Error(`neighbour: ${this.#failure}`);
  }

  /** Answers what was measured and starts anew. */
  measure(): Stall {
    const stall = { roundTrips: this.#roundTrips, wallMs: this.#wallMs, cpuMs: this.#cpuMs };
    this.#wallMs = 0;
    this.#cpuMs = 0;
    return stall;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#stream.cancel();
  }

  #send(): void {
    this.#due = MESSAGE.length;
    this.#sentMs = performance.now();
    this.#sentCpuMs = threadCpuMs();
    this.#trySend();
  }

  #trySend(): void {
    if (this.#stream.budget < MESSAGE.length) this.#stream.wait();
    else this.#stream.send(MESSAGE, 0, MESSAGE.length);
  }

  #arrived(bytes: number): void {
    this.#stream.credit(bytes);
    this.#due -= bytes;
    if (this.#due > 0) return;
    this.#roundTrips += 1;
    this.#wallMs = Math.max(this.#wallMs, performance.now() - this.#sentMs);
    this.#cpuMs = Math.max(this.#cpuMs, threadCpuMs() - this.#sentCpuMs);
    this.#tell();
    if (!this.#stopped) this.#timer = setTimeout(() => this.#send(), PACE_MS);
  }

  #fail(failure: string): void {
    this.#failure ??= failure;
    clearTimeout(this.#timer);
    this.#tell();
  }

  #tell(): void {
    const arrival = this.#arrival;
    this.#arrival = undefined;
    arrival?.();
  }
}

/** What this thread has computed; before Node 22.19 the process. */
function threadCpuMs(): number {
  const { user, system } = TELLS_THREAD ? process.threadCpuUsage() : process.cpuUsage();
  return (user + system) / 1000;
}
