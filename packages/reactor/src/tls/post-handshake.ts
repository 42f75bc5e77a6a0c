/** Why a peer's record or message is refused: the alert to send, and the reason as OpenSSL names it. RFC 8446 6.2 */
export interface Refusal {
  readonly alert: number;
  readonly reason: string;
}

const UNEXPECTED_MESSAGE = 10;
const ILLEGAL_PARAMETER = 47;
const DECODE_ERROR = 50;

/** RFC 8446 4 */
const NEW_SESSION_TICKET = 4;
const KEY_UPDATE = 24;
const HEADER_BYTES = 4;
/** A ticket with all that belongs to it; nobody sends more, and OpenSSL takes no more. RFC 8446 4.6.1 */
const MOST_TICKET_BYTES = 131_338;

/** KeyUpdate, whole. RFC 8446 4.6.3 */
export function keyUpdate(requested: boolean): Uint8Array {
  return Uint8Array.of(KEY_UPDATE, 0, 0, 1, requested ? 1 : 0);
}

/**
 * Handshake messages that come after the handshake, in pieces as records have them. Tickets are passed over: nothing is
 * resumed. Keeps nothing of a message but its type and what is left of it.
 */
export class PostHandshake {
  readonly #takesTickets: boolean;
  #header = 0;
  #headerBytes = 0;
  /** Of the body. */
  #left = 0;

  /** Only clients are sent tickets. */
  constructor(role: 'client' | 'server') {
    this.#takesTickets = role === 'client';
  }

  /** Whether there was the beginning of a message: no other record may come before its end. RFC 8446 5.1 */
  get inMessage(): boolean {
    return this.#headerBytes > 0;
  }

  /** Takes what one record has. `update`: the peer's next record has new keys; `update-requested`: ours is to have, too. */
  push(memory: Uint8Array, start: number, end: number): 'update' | 'update-requested' | Refusal | undefined {
    for (let at = start; at < end; ) {
      if (this.#headerBytes < HEADER_BYTES) {
        this.#header = this.#header * 256 + memory[at++]!;
        if (++this.#headerBytes < HEADER_BYTES) continue;
        this.#left = this.#header % 2 ** 24;
        const refusal = this.#judge();
        if (refusal !== undefined) return refusal;
      } else if (this.#type === KEY_UPDATE) {
        this.#reset();
        const request = memory[at++]!;
        if (at < end) return { alert: UNEXPECTED_MESSAGE, reason: 'NOT_ON_RECORD_BOUNDARY' };
        if (request > 1) return { alert: ILLEGAL_PARAMETER, reason: 'BAD_KEY_UPDATE' };
        return request === 1 ? 'update-requested' : 'update';
      } else {
        const passed = Math.min(this.#left, end - at);
        at += passed;
        this.#left -= passed;
      }
      if (this.#left === 0) this.#reset();
    }
    return undefined;
  }

  get #type(): number {
    return Math.floor(this.#header / 2 ** 24);
  }

  #judge(): Refusal | undefined {
    if (this.#type === KEY_UPDATE)
      return this.#left === 1 ? undefined : { alert: DECODE_ERROR, reason: 'BAD_KEY_UPDATE' };
    if (this.#type !== NEW_SESSION_TICKET || !this.#takesTickets)
      return { alert: UNEXPECTED_MESSAGE, reason: 'UNEXPECTED_MESSAGE' };
    if (this.#left > MOST_TICKET_BYTES) return { alert: ILLEGAL_PARAMETER, reason: 'EXCESSIVE_MESSAGE_SIZE' };
    return undefined;
  }

  #reset(): void {
    this.#header = this.#headerBytes = this.#left = 0;
  }
}
