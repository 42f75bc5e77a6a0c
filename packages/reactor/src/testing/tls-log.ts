import { createHash } from 'node:crypto';
import type { ConnectionFailure, SecureHandler } from '@ambientmesh/hbone';

/** What a `Secure` has said. For tests. */
export class TlsLog implements SecureHandler {
  readonly events: string[] = [];
  readonly #hash = createHash('sha256');
  received = 0;
  failure: ConnectionFailure | undefined;
  /** Called with each of the events. */
  heard: (event: string) => void = () => {};

  /** Length and SHA-256 of what was received. */
  get digest(): string {
    return `${this.received} ${this.#hash.copy().digest('hex')}`;
  }

  has(event: string): boolean {
    return this.events.includes(event);
  }

  established(): void {
    this.#add('established');
  }
  bytes(memory: Uint8Array, start: number, end: number): void {
    this.received += end - start;
    this.#hash.update(memory.subarray(start, end));
    this.heard('bytes');
  }
  delivered(): void {}
  writable(): void {
    this.#add('writable');
  }
  ended(): void {
    this.#add('ended');
  }
  failed(failure: ConnectionFailure): void {
    this.failure = failure;
    this.#add('failed');
  }

  #add(event: string): void {
    this.events.push(event);
    this.heard(event);
  }
}
