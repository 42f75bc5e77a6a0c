import type { ConnectionFailure } from '@ambientmesh/hbone';
import { alertFailure, carrierFailure, localFailure, type TlsRole } from '@ambientmesh/hbone/engine';
import { type Carrier, ENDED } from './carrier.ts';
import { INTAKE_BYTES } from './intake.ts';
import { keyUpdate, PostHandshake, type Refusal } from './post-handshake.ts';
import type { Outcome, Protection } from './protection.ts';
import { APPLICATION_DATA, RECORD_HEADER_BYTES, RECORD_TAIL_BYTES, RecordCipher, TAG_BYTES } from './record-cipher.ts';
import type { TlsThread } from './tls-thread.ts';
import type { RecordSuite } from './traffic-keys.ts';
import type { WireUser } from './wire.ts';

/** Inner types. RFC 8446 5.1 */
const ALERT = 21;
const HANDSHAKE = 22;
/** RFC 8446 6 */
const WARNING = 1;
const FATAL = 2;
const CLOSE_NOTIFY = 0;
const UNEXPECTED_MESSAGE = 10;
const BAD_RECORD_MAC = 20;
const RECORD_OVERFLOW = 22;
const DECODE_ERROR = 50;
const PROTOCOL_VERSION = 70;
const USER_CANCELED = 90;

/** What the header of a record says, whatever is spoken, RFC 8446 5.2; and what even OpenSSL knows no more. */
const TLS_1_2 = 0x0303;
const SSL_2 = 0x0002;

/** Octets of plaintext in a record. RFC 8446 5.1 */
const MOST_PLAINTEXT_BYTES = 16_384;
/** Octets of a record without its header. RFC 8446 5.2 */
const MOST_BODY_BYTES = MOST_PLAINTEXT_BYTES + 256;
const MOST_RECORD_BYTES = RECORD_HEADER_BYTES + MOST_BODY_BYTES;
/** In a row, each: a peer that sends nothing else is after our time. As many as OpenSSL takes. */
const MOST_EMPTY_RECORDS = 32;
const MOST_WARNINGS = 4;
/** KeyUpdates of a peer in a turn, about 20 us each; more wait for the next turn. */
const MOST_KEY_UPDATES = 256;

/** As OpenSSL names them and answers them: the other kind of records, and the other engine, say the same. */
const REFUSALS = {
  type: { alert: UNEXPECTED_MESSAGE, reason: 'BAD_RECORD_TYPE' },
  version: { alert: DECODE_ERROR, reason: 'WRONG_VERSION_NUMBER' },
  oldVersion: { alert: PROTOCOL_VERSION, reason: 'WRONG_VERSION_NUMBER' },
  length: { alert: RECORD_OVERFLOW, reason: 'ENCRYPTED_LENGTH_TOO_LONG' },
  mac: { alert: BAD_RECORD_MAC, reason: 'DECRYPTION_FAILED_OR_BAD_RECORD_MAC' },
  plaintext: { alert: RECORD_OVERFLOW, reason: 'DATA_LENGTH_TOO_LONG' },
  empty: { alert: UNEXPECTED_MESSAGE, reason: 'BAD_LENGTH' },
  manyEmpty: { alert: UNEXPECTED_MESSAGE, reason: 'RECORD_TOO_SMALL' },
  inHeader: { alert: UNEXPECTED_MESSAGE, reason: 'MIXED_HANDSHAKE_AND_NON_HANDSHAKE_DATA' },
  inBody: { alert: UNEXPECTED_MESSAGE, reason: 'UNEXPECTED_RECORD' },
  alert: { alert: UNEXPECTED_MESSAGE, reason: 'INVALID_ALERT' },
  warnings: { alert: UNEXPECTED_MESSAGE, reason: 'TOO_MANY_WARN_ALERTS' },
} as const satisfies Readonly<Record<string, Refusal>>;

/** What OpenSSL's own failures are called. */
const INTERNAL_ERROR = 'INTERNAL_ERROR';

/** What a handshake has agreed on, and what was read behind it. */
export interface Agreed {
  readonly suite: RecordSuite;
  /** Taken over: wiped once it is of no use. */
  readonly ownSecret: Uint8Array;
  readonly peerSecret: Uint8Array;
  readonly read: Uint8Array | undefined;
}

/**
 * TLS 1.3 behind the handshake: records are read into the arena, opened to where they are used, and sealed to where they
 * leave from, with nothing copied in between. A connection has two EVP contexts, and the beginning of a record of which the
 * rest has not come. RFC 8446 5, 4.6, 6
 */
export class RecordLayer implements Protection {
  answered = 0;
  readonly #tls: TlsThread;
  readonly #role: TlsRole;
  readonly #carrier: Carrier;
  readonly #user: WireUser;
  readonly #inbound: RecordCipher;
  readonly #outbound: RecordCipher;
  readonly #messages: PostHandshake;
  #emptyRecords = 0;
  #warnings = 0;
  /** Of a fatal alert, ours or the peer's, behind which nothing is sent or read, RFC 8446 6.2; or of OpenSSL's. */
  #failure: ConnectionFailure | undefined;
  /** `[0, #heldBytes)` was read, and is not opened: less than a record, unless `holds`. */
  #held: Uint8Array | undefined;
  #heldBytes = 0;
  #holds = false;
  #freed = false;

  // oxlint-disable-next-line max-params -- one caller, the handshake's session
  constructor(tls: TlsThread, role: TlsRole, carrier: Carrier, user: WireUser, agreed: Agreed) {
    const { openSsl, reactor, cipherMemory } = tls;
    const { suite, ownSecret, peerSecret, read } = agreed;
    this.#tls = tls;
    this.#role = role;
    this.#carrier = carrier;
    this.#user = user;
    const cipher = (secret: Uint8Array, encrypts: boolean): RecordCipher =>
      new RecordCipher(openSsl, reactor.arena, cipherMemory, { suite, secret, encrypts });
    this.#inbound = cipher(peerSecret, false);
    this.#outbound = cipher(ownSecret, true);
    this.#messages = new PostHandshake(role);
    this.#held = read;
    this.#heldBytes = read?.length ?? 0;
    this.#holds = this.#heldBytes > 0;
    tls.count(1);
  }

  /** Whether OpenSSL had memory for it. */
  get usable(): boolean {
    return this.#inbound.usable && this.#outbound.usable;
  }

  get holds(): boolean {
    return this.#holds;
  }

  read(at: number): { readonly bytes: number; readonly outcome: Outcome } {
    const { ciphertext } = this.#tls;
    let filled = 0;
    if (this.#failure !== undefined) return { bytes: 0, outcome: this.#failure };
    if (!this.#holds) {
      const read = this.#carrier.read(ciphertext + this.#heldBytes, INTAKE_BYTES);
      if (typeof read === 'object') return { bytes: 0, outcome: carrierFailure(this.#role, read) };
      if (read === ENDED) return { bytes: 0, outcome: this.#end() };
      if (read === 0) return { bytes: 0, outcome: 'wait' };
      filled = read;
    }
    const end = ciphertext + this.#heldBytes + filled;
    if (this.#heldBytes > 0) this.#tls.reactor.arena.bytes.set(this.#held!.subarray(0, this.#heldBytes), ciphertext);
    this.#heldBytes = 0;
    this.#holds = false;
    return this.#openAll(ciphertext, end, at);
  }

  write(at: number, length: number): ConnectionFailure | undefined {
    if (this.#failure === undefined && this.#outbound.records >= this.#tls.recordsPerKey) this.#updateKey(true);
    if (this.#failure === undefined) this.#seal(at, length, APPLICATION_DATA);
    return this.#failure;
  }

  closeNotify(): void {
    if (this.#failure === undefined) this.#sealMessage(Uint8Array.of(WARNING, CLOSE_NOTIFY), ALERT);
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#inbound.free();
    this.#outbound.free();
    this.#held = undefined;
    this.#tls.count(-1);
  }

  /** Opens the whole records of `[from, end)` to `to`, and keeps what is behind them. */
  #openAll(from: number, end: number, to: number): { readonly bytes: number; readonly outcome: Outcome } {
    const { bytes } = this.#tls.reactor.arena;
    let out = to;
    let next = from;
    for (let updates = 0; end - next >= RECORD_HEADER_BYTES; ) {
      const length = (bytes[next + 3]! << 8) | bytes[next + 4]!;
      const refusal = this.#judgeHeader(next, length);
      if (refusal !== undefined) return { bytes: out - to, outcome: this.#refuse(refusal) };
      if (end - next - RECORD_HEADER_BYTES < length) break;
      if (updates === MOST_KEY_UPDATES) {
        this.#holds = true;
        break;
      }
      const inner = length > TAG_BYTES ? this.#inbound.open(next, length, out) : -1;
      next += RECORD_HEADER_BYTES + length;
      const outcome = inner < 0 ? this.#refuse(REFUSALS.mac) : this.#take(out, out + inner);
      if (typeof outcome === 'number') out += outcome;
      else if (outcome === 'update') updates++;
      else return { bytes: out - to, outcome };
    }
    this.#hold(next, end);
    return { bytes: out - to, outcome: this.#holds ? 'more' : 'wait' };
  }

  #judgeHeader(at: number, length: number): Refusal | undefined {
    const { bytes } = this.#tls.reactor.arena;
    const version = (bytes[at + 1]! << 8) | bytes[at + 2]!;
    if (version === SSL_2) return REFUSALS.oldVersion;
    if (bytes[at] !== APPLICATION_DATA) return REFUSALS.type;
    if (version !== TLS_1_2) return REFUSALS.version;
    return length > MOST_BODY_BYTES ? REFUSALS.length : undefined;
  }

  /** What was inside of a record, padding included: how many bytes of data, or what else it was. RFC 8446 5.4 */
  #take(start: number, end: number): number | 'update' | 'end' | ConnectionFailure {
    const { bytes } = this.#tls.reactor.arena;
    let last = end - 1;
    while (last >= start && bytes[last] === 0) last--;
    const length = last - start;
    if (length > MOST_PLAINTEXT_BYTES) return this.#refuse(REFUSALS.plaintext);
    const type = length < 0 ? 0 : bytes[last]!;
    const refusal = this.#judgeContent(type, length);
    if (refusal !== undefined) return this.#refuse(refusal);
    if (type === HANDSHAKE) return this.#takeMessages(start, last);
    return type === ALERT ? this.#takeAlert(start, last) : length;
  }

  #judgeContent(type: number, length: number): Refusal | undefined {
    if (type !== APPLICATION_DATA && type !== ALERT && type !== HANDSHAKE) return REFUSALS.type;
    if (length === 0 && type !== APPLICATION_DATA) return REFUSALS.empty;
    this.#emptyRecords = length > 0 ? 0 : this.#emptyRecords + 1;
    if (this.#emptyRecords > MOST_EMPTY_RECORDS) return REFUSALS.manyEmpty;
    if (type !== ALERT && length > 0) this.#warnings = 0;
    const { interrupted } = this.#messages;
    return interrupted === undefined || type === HANDSHAKE ? undefined : REFUSALS[interrupted];
  }

  #takeAlert(start: number, last: number): 0 | 'end' | ConnectionFailure {
    const { bytes } = this.#tls.reactor.arena;
    if (last - start !== 2) return this.#refuse(REFUSALS.alert);
    const number = bytes[start + 1]!;
    if (number === CLOSE_NOTIFY) return 'end';
    if (number !== USER_CANCELED) return (this.#failure = alertFailure(this.#role, number));
    return ++this.#warnings > MOST_WARNINGS ? this.#refuse(REFUSALS.warnings) : 0;
  }

  #takeMessages(start: number, last: number): 0 | 'update' | ConnectionFailure {
    const result = this.#messages.push(this.#tls.reactor.arena.bytes, start, last);
    if (result === undefined) return 0;
    if (typeof result === 'object') return this.#refuse(result);
    this.#inbound.update();
    if (result === 'update-requested') this.answered += this.#updateKey(false);
    return this.#failure ?? 'update';
  }

  /** Keeps `[start, end)` for the next time: the memory is every connection's. */
  #hold(start: number, end: number): void {
    const bytes = end - start;
    this.#heldBytes = bytes;
    const room = Math.max(bytes, MOST_RECORD_BYTES);
    if (bytes === 0) this.#held = undefined;
    else if (this.#held?.length !== room) this.#held = new Uint8Array(room);
    this.#held?.set(this.#tls.reactor.arena.bytes.subarray(start, end));
  }

  /** FIN: an end, but for in the middle of a record. */
  #end(): Outcome {
    return this.#heldBytes === 0 ? 'fin' : localFailure(this.#role, 'UNEXPECTED_EOF_WHILE_READING');
  }

  /** Says why, and answers what it is called here. */
  #refuse({ alert, reason }: Refusal): ConnectionFailure {
    this.#sealMessage(Uint8Array.of(FATAL, alert), ALERT);
    return (this.#failure = localFailure(this.#role, reason));
  }

  /** Says that the next record has new keys; answers the octets of that. */
  #updateKey(requested: boolean): number {
    const message = keyUpdate(requested);
    this.#sealMessage(message, HANDSHAKE);
    this.#outbound.update();
    return RECORD_HEADER_BYTES + message.length + RECORD_TAIL_BYTES;
  }

  #sealMessage(message: Uint8Array, type: number): void {
    const { reactor, cipherMemory } = this.#tls;
    reactor.arena.bytes.set(message, cipherMemory.message);
    this.#seal(cipherMemory.message, message.length, type);
  }

  #seal(at: number, length: number, type: number): void {
    const { wire } = this.#tls;
    wire.claim(this.#user);
    const to = wire.spaceFor(RECORD_HEADER_BYTES + length + RECORD_TAIL_BYTES);
    const bytes = this.#outbound.seal(at, length, type, to);
    // Whatever followed a record that was not made, the peer would take for a forged one.
    if (bytes < 0) this.#failure = localFailure(this.#role, INTERNAL_ERROR);
    else wire.sealed(bytes);
  }
}
