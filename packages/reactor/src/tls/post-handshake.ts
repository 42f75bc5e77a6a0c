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
const KEY_UPDATE_BYTES = 1;
/** A ticket with all that belongs to it; nobody sends more, and OpenSSL takes no more. RFC 8446 4.6.1 */
const MOST_TICKET_BYTES = 131_338;

/** What a record has behind a KeyUpdate has no key of its own. RFC 8446 5.1 */
const NOT_LAST: Refusal = { alert: UNEXPECTED_MESSAGE, reason: 'NOT_ON_RECORD_BOUNDARY' };

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

  /** Of what message there was the beginning only: no other record may come before its end. RFC 8446 5.1 */
  get interrupted(): 'inHeader' | 'inBody' | undefined {
    if (this.#headerBytes === 0) return undefined;
    return this.#headerBytes < HEADER_BYTES ? 'inHeader' : 'inBody';
  }

  /** Takes what one record has. `update`: the peer's next record has new keys; `update-requested`: ours is to have, too. */
  push(memory: Uint8Array, start: number, end: number): 'update' | 'update-requested' | Refusal | undefined {
    for (let at = start; at < end; ) {
      if (this.#headerBytes < HEADER_BYTES) {
        this.#header = this.#header * 256 + memory[at++]!;
        if (++this.#headerBytes < HEADER_BYTES) continue;
        this.#left = this.#header % 2 ** 24;
        const refusal = this.#judge(at < end);
        if (refusal !== undefined) return refusal;
      } else if (this.#type === KEY_UPDATE) {
        this.#reset();
        const request = memory[at++]!;
        if (at < end) return NOT_LAST;
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

  /** Of a header; `more`: whether its record goes on. */
  #judge(more: boolean): Refusal | undefined {
    const updates = this.#type === KEY_UPDATE;
    if (!updates && !(this.#type === NEW_SESSION_TICKET && this.#takesTickets))
      return { alert: UNEXPECTED_MESSAGE, reason: 'UNEXPECTED_MESSAGE' };
    if (this.#left > (updates ? KEY_UPDATE_BYTES : MOST_TICKET_BYTES))
      return { alert: ILLEGAL_PARAMETER, reason: 'EXCESSIVE_MESSAGE_SIZE' };
    if (!updates || this.#left > 0) return undefined;
    return more ? NOT_LAST : { alert: DECODE_ERROR, reason: 'BAD_KEY_UPDATE' };
  }

  #reset(): void {
    this.#header = this.#headerBytes = this.#left = 0;
  }
}
