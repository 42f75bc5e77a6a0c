import type { ConnectionFailure, Secure, SecureHandler } from '@ambientmesh/hbone';

/** Octets after which the pattern comes again: no multiple of any size of a buffer. */
const PERIOD = 65_521;
const PATTERN = Buffer.alloc(2 * PERIOD);
for (let at = 0, value = 1; at < PERIOD; at++) {
  value = (value * 48_271) % 2_147_483_647;
  PATTERN[at] = PATTERN[at + PERIOD] = value >>> 8;
}
/** Octets by which the pattern of one connection is ahead of that of the one before. */
const STEP = 7919;

/** One end of a connection that sends a pattern of its own and looks whether it receives that of the other end. For tests. */
export class PatternedEnd implements SecureHandler {
  readonly events: string[] = [];
  failure: ConnectionFailure | undefined;
  sent = 0;
  received = 0;
  /** Whether a wrong octet came. */
  wrong = false;
  /** We gave it up. */
  left = false;
  secure: Secure | undefined;
  readonly #own: number;
  readonly #other: number;

  /** `own` and `other` number the patterns. */
  constructor(own: number, other: number) {
    this.#own = own;
    this.#other = other;
  }

  get over(): boolean {
    return this.left || this.failure !== undefined || this.events.includes('ended');
  }

  /** Sends the next `length` octets, up to PERIOD of them at a time. */
  send(length: number): void {
    for (let left = length; left > 0; ) {
      const start = (this.sent + this.#own * STEP) % PERIOD;
      const bytes = Math.min(left, PERIOD);
      this.secure?.send(PATTERN, start, start + bytes);
      this.sent += bytes;
      left -= bytes;
    }
  }

  established(): void {
    this.events.push('established');
  }

  bytes(memory: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const from = (this.received + this.#other * STEP) % PERIOD;
      const bytes = Math.min(end - at, PERIOD);
      if (PATTERN.compare(memory, at, at + bytes, from, from + bytes) !== 0) this.wrong = true;
      this.received += bytes;
      at += bytes;
    }
  }

  delivered(): void {}

  writable(): void {}

  ended(): void {
    this.events.push('ended');
  }

  failed(failure: ConnectionFailure): void {
    this.failure = failure;
    this.events.push('failed');
  }
}
