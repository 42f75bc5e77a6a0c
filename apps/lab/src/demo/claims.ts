import type { Terminal } from '../cli/terminal.ts';

/** One thing the demo says, and whether it was so. */
export interface Claim {
  readonly text: string;
  readonly holds: boolean;
  /** What was found instead. */
  readonly why: string;
}

/** What the demo has claimed so far. */
export class Claims {
  readonly #claims: Claim[] = [];
  readonly #out: Terminal;

  constructor(out: Terminal) {
    this.#out = out;
  }

  /** Notes a claim and prints it with a tick, or with a cross and `why` (called only then). */
  check(text: string, holds: boolean, why: () => string): void {
    const claim = { text, holds, why: holds ? '' : why() };
    this.#claims.push(claim);
    this.#print(claim);
  }

  /** Whether all of them hold. */
  get allHold(): boolean {
    return this.#claims.every((claim) => claim.holds);
  }

  /** Prints them all once more. */
  printSummary(): void {
    for (const claim of this.#claims) this.#print(claim);
  }

  #print({ text, holds, why }: Claim): void {
    const mark = holds ? this.#out.paint('green', '✔') : this.#out.paint('red', '✘');
    this.#out.line(`  ${mark} ${text}`);
    if (why !== '') this.#out.wrapped(why, { indent: 4, hang: 0, emphasis: 'yellow' });
  }
}
