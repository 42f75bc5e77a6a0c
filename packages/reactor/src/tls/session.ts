import { getSystemErrorName } from 'node:util';
import type { ConnectionFailure } from '@ambientmesh/hbone';
import {
  carrierFailure,
  DECODE_ERROR_ALERT,
  handshakeEnd,
  localFailure,
  systemFailure,
  type TlsRole,
} from '@ambientmesh/hbone/engine';
import { SLOT_BYTES } from '../loop/read-memory.ts';
import { EAGAIN } from '../native/kernel-constants.ts';
import type { Handle } from '../native/open-ssl.ts';
import {
  SSL_CTRL_MODE,
  SSL_ERROR_SSL,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_WANT_WRITE,
  SSL_ERROR_ZERO_RETURN,
  SSL_KEY_UPDATE_REQUESTED,
  SSL_MODE_AUTO_RETRY,
} from '../native/open-ssl-constants.ts';
import type { Carrier } from './carrier.ts';
import { takeOpenSslFailure } from './open-ssl-failure.ts';
import type { Verifier } from './peer-verification.ts';
import type { TlsThread } from './tls-thread.ts';
import type { WireUser } from './wire.ts';

/** What a series of calls came to: `more` may be read at once; `wait` for the carrier; `end` of the peer's side. */
export type Outcome = 'more' | 'wait' | 'end' | ConnectionFailure;

/** KeyUpdates of a peer in a turn, about 10 us each; more wait for the next turn. */
const MOST_RETURNS = 256;
/** Errors of a socket, as Linux numbers them, that reading one has. */
const SOCKET_ERRORS: ReadonlySet<string> = new Set(['ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EPIPE']);
/** As OpenSSL names the end of a connection without a word. */
const UNEXPECTED_END = 'UNEXPECTED_EOF_WHILE_READING';

/** An SSL object: the only place that calls OpenSSL for a connection. Nobody is called back but the `Verifier`. */
export class Session {
  readonly #tls: TlsThread;
  readonly #role: TlsRole;
  readonly #carrier: Carrier;
  readonly #user: WireUser;
  #ssl: Handle;
  /** OpenSSL is working on it: it is freed when that is done. */
  #busy = false;
  #freed = false;
  /** Written with the same key. */
  #records = 0;

  constructor(tls: TlsThread, role: TlsRole, carrier: Carrier, user: WireUser & { readonly context: Handle }) {
    this.#tls = tls;
    this.#role = role;
    this.#carrier = carrier;
    this.#user = user;
    this.#ssl = tls.newSsl(user.context, carrier.newReadBio(), role);
    this.#freed = this.#ssl === 0;
    if (carrier.bounded && !this.#freed) tls.openSsl.call.SSL_ctrl(this.#ssl, SSL_CTRL_MODE, SSL_MODE_AUTO_RETRY, 0);
  }

  /** Whether it is gone, or OpenSSL had no memory for it. */
  get freed(): boolean {
    return this.#freed;
  }

  /** Goes on with the handshake: `more` says that it is done. */
  shakeHands(verifier: Verifier): Outcome {
    const { call } = this.#tls.openSsl;
    this.#begin();
    for (;;) {
      this.#tls.verifier = verifier;
      this.#busy = true;
      const result = call.SSL_do_handshake(this.#ssl);
      const errno = this.#tls.openSsl.errno();
      this.#busy = false;
      this.#tls.verifier = undefined;
      if (this.#freed) return this.#freeNow();
      // Whoever verified may have written to others.
      this.#tls.wire.claim(this.#user);
      const outcome = result === 1 ? 'more' : this.#outcome(result, errno);
      this.#carrier.drain();
      if (outcome === 'wait' && this.#carrier.fill()) continue;
      return outcome === 'end' || this.#isUnexpectedEnd(outcome) ? handshakeEnd(this.#role) : outcome;
    }
  }

  /** Decrypts whole records into `[at, at + room)` until there are no more, or no room for one: how many bytes, and why not more. */
  read(at: number, room: number): { readonly bytes: number; readonly outcome: Outcome } {
    this.#begin();
    this.#tls.openSsl.clearErrno();
    let bytes = 0;
    let returns = 0;
    while (bytes + SLOT_BYTES <= room && returns < MOST_RETURNS) {
      const result = this.#tls.openSsl.read(this.#ssl, at + bytes, SLOT_BYTES);
      if (result > 0) {
        bytes += result;
        continue;
      }
      const errno = this.#tls.openSsl.errno();
      const outcome = this.#outcome(result, errno);
      if (outcome === 'more') this.#carrier.drain();
      else if (outcome !== 'wait') return { bytes, outcome: this.#checkedEnd(outcome) };
      // Back behind a KeyUpdate, the socket was not found empty. What was read ahead has no event of its own, and since
      // the keys have changed `SSL_has_pending` does not know of it.
      else if (!this.#carrier.bounded && errno !== EAGAIN) returns++;
      else if (!this.#carrier.fill()) return { bytes, outcome };
    }
    return { bytes, outcome: 'more' };
  }

  /** Encrypts `[at, at + length)`, 16 KiB at most, onto the wire; a failure if OpenSSL refuses. */
  write(at: number, length: number): ConnectionFailure | undefined {
    this.#begin();
    if (++this.#records > this.#tls.recordsPerKey) {
      this.#records = 1;
      this.#tls.openSsl.call.SSL_key_update(this.#ssl, SSL_KEY_UPDATE_REQUESTED);
    }
    if (this.#tls.openSsl.write(this.#ssl, at, length) === length) return undefined;
    return takeOpenSslFailure(this.#tls.openSsl, this.#role).failure;
  }

  /** Puts close_notify on the wire. */
  closeNotify(): void {
    this.#begin();
    this.#tls.openSsl.call.SSL_shutdown(this.#ssl);
    this.#tls.openSsl.call.ERR_clear_error();
  }

  /** Idempotent. What is on the wire stays there. */
  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    if (!this.#busy) this.#freeNow();
  }

  #freeNow(): 'wait' {
    const ssl = this.#ssl;
    this.#ssl = 0;
    if (ssl !== 0) this.#tls.freeSsl(ssl);
    return 'wait';
  }

  /** An alert or the answer to a KeyUpdate has room then, too: OpenSSL does not say it twice. */
  #begin(): void {
    this.#tls.wire.claim(this.#user);
    this.#tls.wire.ensureRoom(SLOT_BYTES);
    this.#tls.openSsl.call.ERR_clear_error();
  }

  /** Of a call that did not succeed; `more` asks for the same call again, with room on the wire. */
  #outcome(result: number, errno: number): Outcome {
    const error = this.#tls.openSsl.call.SSL_get_error(this.#ssl, result);
    if (error === SSL_ERROR_WANT_READ) return 'wait';
    if (error === SSL_ERROR_WANT_WRITE) return 'more';
    if (error === SSL_ERROR_ZERO_RETURN) return 'end';
    if (error !== SSL_ERROR_SSL) {
      const name = errno > 0 ? getSystemErrorName(-errno) : '';
      return carrierFailure(this.#role, systemFailure(SOCKET_ERRORS.has(name) ? name : 'ECONNRESET'));
    }
    const { failure, plainHttp } = takeOpenSslFailure(this.#tls.openSsl, this.#role);
    if (plainHttp) this.#putAlert();
    return failure;
  }

  /** The alert that OpenSSL does not send. */
  #putAlert(): void {
    const { reactor, scratch, wire } = this.#tls;
    reactor.arena.bytes.set(DECODE_ERROR_ALERT, scratch);
    wire.put(scratch, DECODE_ERROR_ALERT.length);
  }

  /** An end in the middle of a record is none. */
  #checkedEnd(outcome: Outcome): Outcome {
    if (outcome !== 'end' || !this.#tls.openSsl.isInsideRecord(this.#ssl)) return outcome;
    return localFailure(this.#role, UNEXPECTED_END);
  }

  #isUnexpectedEnd(outcome: Outcome): boolean {
    return typeof outcome === 'object' && outcome.message === localFailure(this.#role, UNEXPECTED_END).message;
  }
}
