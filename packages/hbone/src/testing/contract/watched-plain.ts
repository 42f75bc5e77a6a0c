import type { ByteSink, ConnectionFailure, Plain, PlainHandler, SocketAddress } from '../../engine.ts';

/** What was seen that must not be. */
export class Watch {
  readonly violations: string[] = [];
}

/** A `Plain` that sees to it that no callback comes from inside a method, nor after the end. Is a foreign one to every engine. */
export class WatchedPlain implements Plain {
  handler: PlainHandler = { readable: () => {}, written: () => {}, failed: () => {} };
  readonly #plain: Plain;
  readonly #watch: Watch;
  #inside = '';
  #over = false;

  constructor(plain: Plain, watch: Watch) {
    this.#plain = plain;
    this.#watch = watch;
    plain.handler = {
      readable: () => this.#call('readable', () => this.handler.readable()),
      written: (bytes) => this.#call('written', () => this.handler.written(bytes)),
      failed: (failure: ConnectionFailure) =>
        this.#call('failed', () => {
          this.#over = true;
          this.handler.failed(failure);
        }),
    };
  }

  get local(): SocketAddress {
    return this.#plain.local;
  }

  get remote(): SocketAddress {
    return this.#plain.remote;
  }

  get descriptor(): number {
    return this.#plain.descriptor;
  }

  get queued(): number {
    return this.#plain.queued;
  }

  read(max: number, sink: ByteSink): number {
    return this.#method('read', () => this.#plain.read(max, sink));
  }

  write(memory: Uint8Array, start: number, end: number): void {
    this.#method('write', () => this.#plain.write(memory, start, end));
  }

  end(): void {
    this.#method('end', () => this.#plain.end());
  }

  close(): void {
    this.#over = true;
    this.#method('close', () => this.#plain.close());
  }

  reset(): void {
    this.#over = true;
    this.#method('reset', () => this.#plain.reset());
  }

  #method<Result>(name: string, work: () => Result): Result {
    const before = this.#inside;
    this.#inside = name;
    try {
      return work();
    } finally {
      this.#inside = before;
    }
  }

  #call(name: string, work: () => void): void {
    if (this.#inside !== '') this.#watch.violations.push(`${name} from inside ${this.#inside}`);
    if (this.#over) this.#watch.violations.push(`${name} after the end`);
    work();
  }
}
