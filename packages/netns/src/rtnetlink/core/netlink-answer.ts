import { NetnsError } from '../../errors.ts';
import { NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP } from './netlink-constants.ts';
import {
  decodeAcknowledgement,
  decodeDone,
  decodeMessages,
  type NetlinkMessage,
  type NetlinkVerdict,
} from './netlink-message.ts';

/** More than a million routes. */
const MAX_ANSWER_BYTES = 128 * 1_024 * 1_024;

/** What the kernel answers to one request, from as many datagrams as it takes. */
export class NetlinkAnswer {
  /** Copies of what the messages carry. */
  readonly payloads: Buffer[] = [];
  readonly #sequence: number;
  readonly #maxBytes: number;
  #bytes = 0;
  #interrupted = false;
  #verdict: NetlinkVerdict | undefined;

  /** `sequence` is that of the request; `maxBytes` limits the payloads together. */
  constructor(sequence: number, maxBytes: number = MAX_ANSWER_BYTES) {
    this.#sequence = sequence;
    this.#maxBytes = maxBytes;
  }

  /** How it ended; undefined as long as more is to come. */
  get verdict(): NetlinkVerdict | undefined {
    return this.#verdict;
  }

  /** Whether a list is not what was there at any one moment, because it changed meanwhile or a piece was lost. */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** Takes the next datagram, which may be reused afterwards. Throws `NETNS_MALFORMED`. */
  push(datagram: Buffer): void {
    for (const message of decodeMessages(datagram)) {
      // Left over from a request that ended with an error.
      if (message.sequence === this.#sequence && this.#verdict === undefined) this.#take(message);
    }
  }

  /** The kernel had no room for a piece. */
  lose(): void {
    this.#interrupted = true;
  }

  #take(message: NetlinkMessage): void {
    if ((message.flags & NLM_F_DUMP_INTR) !== 0) this.#interrupted = true;
    if (message.type === NLMSG_ERROR) this.#verdict = decodeAcknowledgement(message);
    else if (message.type === NLMSG_DONE) this.#verdict = decodeDone(message);
    else if (message.type !== NLMSG_NOOP) this.#keep(message.payload);
  }

  #keep(payload: Buffer): void {
    this.#bytes += payload.length;
    if (this.#bytes > this.#maxBytes)
      throw new NetnsError('NETNS_MALFORMED', `the kernel's answer is longer than ${this.#maxBytes} bytes`);
    this.payloads.push(Buffer.from(payload));
  }
}
