import {
  BYTES_AN_UPDATE,
  type CodecOptions,
  LATE_FRAMES_A_STREAM,
  MAX_SAVED_LATE_FRAMES,
  MAX_SAVED_UPDATES,
  UPDATES_A_FRAME,
  UPDATES_A_STREAM,
  UPDATES_AN_OCTET,
} from './limits.ts';
import { RateLimit } from './rate-limit.ts';

const BYTES_AN_UPDATE_SHIFT = Math.log2(BYTES_AN_UPDATE);

/**
 * What a peer may make us do for nothing. Each method notes one such thing and answers whether it is still within the
 * limits; if not, the connection ends with ENHANCE_YOUR_CALM.
 */
export class PeerBudget {
  readonly #resets: RateLimit;
  readonly #denials: RateLimit;
  readonly #answers: RateLimit;
  readonly #useless: RateLimit;
  readonly #windowUpdates: RateLimit;
  #savedUpdates = 0;
  #savedLateFrames = 0;

  constructor({ resets, denials, answers, uselessFrames, windowUpdates, now }: CodecOptions) {
    this.#resets = new RateLimit(resets, now);
    this.#denials = new RateLimit(denials, now);
    this.#answers = new RateLimit(answers, now);
    this.#useless = new RateLimit(uselessFrames, now);
    this.#windowUpdates = new RateLimit(windowUpdates, now);
  }

  /** A stream was opened, which earns what belongs to its end. */
  noteStream(): void {
    this.#savedUpdates = Math.min(MAX_SAVED_UPDATES, this.#savedUpdates + UPDATES_A_STREAM);
    this.#savedLateFrames = Math.min(MAX_SAVED_LATE_FRAMES, this.#savedLateFrames + LATE_FRAMES_A_STREAM);
  }

  /** We said GOAWAY: so many requests may cross with it, each of them and what belongs to its end. */
  noteCrossing(streams: number): void {
    const saved = this.#savedLateFrames + streams * (1 + LATE_FRAMES_A_STREAM);
    this.#savedLateFrames = Math.min(MAX_SAVED_LATE_FRAMES, saved);
  }

  /** We sent a DATA frame, which earns WINDOW_UPDATEs. */
  noteData(bytes: number): void {
    const small = bytes * UPDATES_AN_OCTET;
    const frame = small < UPDATES_A_FRAME ? small : UPDATES_A_FRAME;
    const saved = this.#savedUpdates + frame + (bytes >>> BYTES_AN_UPDATE_SHIFT);
    this.#savedUpdates = saved < MAX_SAVED_UPDATES ? saved : MAX_SAVED_UPDATES;
  }

  /** A stream was opened in vain, or the peer made us reset one. */
  allowReset(): boolean {
    return this.#resets.take();
  }

  /** A request was answered by the end of its stream. */
  allowDenial(): boolean {
    return this.#denials.take();
  }

  /** A PING or SETTINGS has to be answered, or changes as many windows. */
  allowAnswer(cost: number): boolean {
    return this.#answers.take(cost);
  }

  /** A frame changed nothing. */
  allowUseless(): boolean {
    return this.#useless.take();
  }

  /** A frame came for a stream that is closed. */
  allowLate(): boolean {
    if (this.#savedLateFrames === 0) return this.#useless.take();
    this.#savedLateFrames -= 1;
    return true;
  }

  allowWindowUpdate(): boolean {
    if (this.#savedUpdates === 0) return this.#windowUpdates.take();
    this.#savedUpdates -= 1;
    return true;
  }
}
