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
import type { Handle } from '../native/open-ssl.ts';
import {
  SSL_ERROR_SSL,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_WANT_WRITE,
  SSL_ERROR_ZERO_RETURN,
  SSL_KEY_UPDATE_REQUESTED,
  SSL_RECEIVED_SHUTDOWN,
} from '../native/open-ssl-constants.ts';
import { type Carrier, ENDED } from './carrier.ts';
import { INTAKE_BYTES } from './intake.ts';
import { takeOpenSslFailure } from './open-ssl-failure.ts';
import type { Verifier } from './peer-verification.ts';
import type { Outcome, Protection } from './protection.ts';
import { RecordLayer } from './record-layer.ts';
import { SCRATCH_BYTES, type TlsThread } from './tls-thread.ts';
import { recordSuite } from './traffic-keys.ts';
import { TrafficSecrets } from './traffic-secrets.ts';
import type { WireUser } from './wire.ts';

/** KeyUpdates of a peer in a turn, about 10 us each; more wait for the next turn. */
const MOST_RETURNS = 256;
/** Read at once in a handshake. */
const HANDSHAKE_BYTES = 65_536;
/** As OpenSSL names the end of a connection in the middle of a record. */
const UNEXPECTED_END = 'UNEXPECTED_EOF_WHILE_READING';

/** An SSL object: handshake, and records unless a `RecordLayer` is to have them. Nobody is called back but the `Verifier`. */
export class Session implements Protection {
  answered = 0;
  readonly #tls: TlsThread;
  readonly #role: TlsRole;
  readonly #carrier: Carrier;
  readonly #user: WireUser;
  #ssl: Handle;
  /** OpenSSL is working on it: it is freed when that is done. */
  #busy = false;
  #freed = false;
  /** Was read, and is not decrypted. */
  #held: Uint8Array | undefined;
  /** Written with the same key. */
  #records = 0;
  readonly #secrets = new TrafficSecrets();

  constructor(tls: TlsThread, role: TlsRole, carrier: Carrier, user: WireUser & { readonly context: Handle }) {
    this.#tls = tls;
    this.#role = role;
    this.#carrier = carrier;
    this.#user = user;
    this.#ssl = tls.newSsl(user.context, role);
    this.#freed = this.#ssl === 0;
  }

  /** Whether it is gone, or OpenSSL had no memory for it. */
  get freed(): boolean {
    return this.#freed;
  }

  get holds(): boolean {
    return this.#held !== undefined;
  }

  /** Goes on with the handshake: `more` says that it is done. */
  shakeHands(verifier: Verifier): Outcome {
    for (;;) {
      const outcome = this.#shakeHands(verifier);
      if (this.#freed) return this.#freeNow();
      this.#carrier.drain();
      if (outcome === 'more') this.#hold();
      else this.#forget();
      if (outcome !== 'wait') return outcome === 'end' || outcome === 'fin' ? handshakeEnd(this.#role) : outcome;
      const filled = this.#carrier.fill(HANDSHAKE_BYTES);
      if (filled === ENDED) return handshakeEnd(this.#role);
      if (filled === 0) return 'wait';
      if (typeof filled === 'object') return carrierFailure(this.#role, filled);
    }
  }

  #shakeHands(verifier: Verifier): Outcome {
    const { openSsl } = this.#tls;
    this.#begin();
    for (;;) {
      this.#tls.verifier = verifier;
      this.#tls.writer = this.#user;
      this.#tls.secrets = this.#secrets;
      this.#busy = true;
      const result = openSsl.call.SSL_do_handshake(this.#ssl);
      this.#busy = false;
      this.#tls.verifier = this.#tls.writer = this.#tls.secrets = undefined;
      if (this.#freed) return 'wait';
      const outcome = result === 1 ? 'more' : this.#outcome(result);
      if (result === 1 || outcome !== 'more') return outcome;
      this.#carrier.drain();
    }
  }

  /**
   * Once `shakeHands` has answered `more`: what is to protect the records from now on, this session or a layer that takes
   * everything over from it.
   */
  handOver(): Protection {
    const { call } = this.#tls.openSsl;
    const { client, server } = this.#secrets;
    if (client === undefined || server === undefined || call.SSL_has_pending(this.#ssl) !== 0) return this.#keep();
    const suite = recordSuite(call.SSL_CIPHER_get_protocol_id(call.SSL_get_current_cipher(this.#ssl)));
    if (suite === undefined || client.length !== suite.hashBytes || server.length !== suite.hashBytes)
      return this.#keep();
    // The peer wants shorter records than ours. RFC 6066 4
    if (call.SSL_SESSION_get_max_fragment_length(call.SSL_get_session(this.#ssl)) !== 0) return this.#keep();
    const [ownSecret, peerSecret] = this.#role === 'client' ? [client, server] : [server, client];
    const agreed = { suite, ownSecret: ownSecret.slice(), peerSecret: peerSecret.slice(), read: this.#held };
    const layer = new RecordLayer(this.#tls, this.#role, this.#carrier, this.#user, agreed);
    if (layer.usable) {
      this.free();
      return layer;
    }
    layer.free();
    return this.#keep();
  }

  /** OpenSSL goes on, which has the secrets itself. */
  #keep(): this {
    this.#secrets.wipe();
    return this;
  }

  read(at: number): { readonly bytes: number; readonly outcome: Outcome } {
    const { wire } = this.#tls;
    // Before the wire is claimed: a tunnel beneath gives credit for what is read, and may write that.
    const filled = this.#fill();
    this.#begin();
    if (filled === ENDED) return { bytes: 0, outcome: this.#end() };
    if (filled === 0) return { bytes: 0, outcome: 'wait' };
    if (typeof filled === 'object') return { bytes: 0, outcome: carrierFailure(this.#role, filled) };
    const before = wire.bytes;
    const result = this.#decrypt(at);
    this.answered += Math.max(0, wire.bytes - before);
    return result;
  }

  #decrypt(at: number): { readonly bytes: number; readonly outcome: Outcome } {
    let bytes = 0;
    for (let returns = 0; returns < MOST_RETURNS; ) {
      const result = this.#tls.openSsl.read(this.#ssl, at + bytes, SLOT_BYTES);
      if (result > 0) {
        bytes += result;
        continue;
      }
      const outcome = this.#outcome(result);
      if (outcome === 'more') this.#carrier.drain();
      // Back behind a KeyUpdate: there is more.
      else if (outcome === 'wait' && this.#tls.intake.left > 0) returns++;
      else {
        this.#forget();
        return { bytes, outcome };
      }
    }
    this.#hold();
    return { bytes, outcome: 'more' };
  }

  write(at: number, length: number): ConnectionFailure | undefined {
    this.#begin();
    if (++this.#records > this.#tls.recordsPerKey) {
      this.#records = 1;
      this.#tls.openSsl.call.SSL_key_update(this.#ssl, SSL_KEY_UPDATE_REQUESTED);
    }
    if (this.#tls.openSsl.write(this.#ssl, at, length) === length) return undefined;
    return takeOpenSslFailure(this.#tls.openSsl, this.#role).failure;
  }

  closeNotify(): void {
    this.#begin();
    this.#tls.openSsl.call.SSL_shutdown(this.#ssl);
    this.#tls.openSsl.call.ERR_clear_error();
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    if (!this.#busy) this.#freeNow();
  }

  #freeNow(): 'wait' {
    this.#secrets.wipe();
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

  #fill(): number | ConnectionFailure {
    const held = this.#held;
    if (held === undefined) return this.#carrier.fill(INTAKE_BYTES);
    this.#held = undefined;
    const { reactor, scratch, intake } = this.#tls;
    for (let from = 0; from < held.length; from += SCRATCH_BYTES) {
      const piece = held.subarray(from, from + SCRATCH_BYTES);
      reactor.arena.bytes.set(piece, scratch);
      intake.put(scratch, piece.length);
    }
    return held.length;
  }

  /** Keeps what OpenSSL has not taken: the next to read is another connection. */
  #hold(): void {
    const { openSsl, reactor, scratch, intake } = this.#tls;
    const bytes = intake.left;
    if (bytes === 0) return;
    const held = new Uint8Array(bytes);
    for (let to = 0; to < bytes; ) {
      const { address, length } = intake.waiting;
      const piece = Math.min(length, SCRATCH_BYTES);
      openSsl.copyIn(scratch, address, piece);
      held.set(reactor.arena.bytes.subarray(scratch, scratch + piece), to);
      intake.take(piece);
      to += piece;
    }
    this.#held = held;
  }

  /** What comes behind the end, or a failure, is nobody's. */
  #forget(): void {
    const { intake } = this.#tls;
    while (intake.left > 0) intake.take(intake.waiting.length);
  }

  /** Of a call that did not succeed; `more` asks for the same call again, with room on the wire. */
  #outcome(result: number): Outcome {
    const error = this.#tls.openSsl.call.SSL_get_error(this.#ssl, result);
    if (error === SSL_ERROR_WANT_READ) return 'wait';
    if (error === SSL_ERROR_WANT_WRITE) return 'more';
    if (error === SSL_ERROR_ZERO_RETURN) return 'end';
    // Behind user_canceled OpenSSL does not take close_notify for an end, and has received it all the same.
    const { SSL_get_shutdown } = this.#tls.openSsl.call;
    if (error !== SSL_ERROR_SSL && (SSL_get_shutdown(this.#ssl) & SSL_RECEIVED_SHUTDOWN) !== 0) return 'end';
    if (error !== SSL_ERROR_SSL) return carrierFailure(this.#role, systemFailure('ECONNRESET'));
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

  /** FIN: an end, but for in the middle of a record. */
  #end(): Outcome {
    const { call } = this.#tls.openSsl;
    // Of its header, or of the rest.
    if (call.SSL_has_pending(this.#ssl) === 0 && !this.#tls.openSsl.isInsideRecord(this.#ssl)) return 'fin';
    return localFailure(this.#role, UNEXPECTED_END);
  }
}
