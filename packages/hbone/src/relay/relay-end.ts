import type { Direction, RelayFailure } from './relay-failure.ts';

/** Collects how the two directions of a relay ended, and tells when both have. */
export class RelayEnd {
  readonly #finished: (failure: RelayFailure | undefined) => void;
  #send: { readonly failure: RelayFailure | undefined } | undefined;
  #receive: { readonly failure: RelayFailure | undefined } | undefined;

  constructor(finished: (failure: RelayFailure | undefined) => void) {
    this.#finished = finished;
  }

  /** Notes the end of a direction; the first report of each counts, and of two failures that of `send`. */
  settle(direction: Direction, failure?: RelayFailure): void {
    if (direction === 'send') this.#send ??= { failure };
    else this.#receive ??= { failure };
    if (this.#send !== undefined && this.#receive !== undefined)
      this.#finished(this.#send.failure ?? this.#receive.failure);
  }
}
