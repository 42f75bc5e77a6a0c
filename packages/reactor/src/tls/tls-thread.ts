import { ALPN_PROTOCOL, type CloseLimits, MAX_CHAIN } from '@ambientmesh/hbone/engine';
import { ReactorError } from '../errors.ts';
import type { Reactor } from '../loop/reactor.ts';
import { SLOT_BYTES } from '../loop/read-memory.ts';
import { type CallbackParameter, type Handle, OpenSsl } from '../native/open-ssl.ts';
import {
  SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE,
  SSL_TLSEXT_ERR_ALERT_FATAL,
  SSL_TLSEXT_ERR_OK,
  TLSEXT_STATUSTYPE_OCSP,
} from '../native/open-ssl-constants.ts';
import { HandshakeGate, type HandshakeLimits } from './handshake-gate.ts';
import { INTAKE_BYTES, Intake } from './intake.ts';
import { PeerVerification, type Verifier } from './peer-verification.ts';
import { CipherMemory } from './record-cipher.ts';
import type { TrafficSecrets } from './traffic-secrets.ts';
import { Wire, type WireUser } from './wire.ts';

/** Octets of what is copied at a time; a peer's chain fits. */
export const SCRATCH_BYTES = MAX_CHAIN.bytes;
/** A list of ALPN is at most this long. RFC 7301 3.1 */
const MAX_PROTOCOLS_BYTES = 65_535;

/** Octets of ciphertext that a thread holds: INTAKE_BYTES, and the beginning of a record before them. */
const CIPHERTEXT_BYTES = INTAKE_BYTES + 2 * SLOT_BYTES;
/** Longer than any line of a log of keys. */
const MOST_SECRET_LINE_BYTES = 512;

/** Of SSL_CTX_set_cert_verify_callback(3), SSL_CTX_set_alpn_select_cb(3) and SSL_CTX_set_keylog_callback(3). */
const VERIFY_PARAMETERS: readonly CallbackParameter[] = ['pointer', 'pointer'];
const SELECT_PARAMETERS: readonly CallbackParameter[] = [
  'pointer',
  'pointer',
  'pointer',
  'pointer',
  'unsigned int',
  'pointer',
];
const KEY_LOG_PARAMETERS: readonly CallbackParameter[] = ['pointer', 'pointer'];

/** Limits of the TLS of one thread. */
export interface TlsThreadOptions extends HandshakeLimits {
  /** Records sent with one key before both ends take new ones (KeyUpdate). Default 2^23. */
  readonly recordsPerKey?: number;
  /**
   * Who makes and opens records behind the handshake: `own` (the default) copies nothing, `openssl` is what everybody uses.
   * Both speak the same TLS.
   */
  readonly records?: 'own' | 'openssl';
}

/** Below the 2^24.5 full records for which AES-GCM is safe. RFC 8446 5.5 */
const RECORDS_PER_KEY = 2 ** 23;

/** Addresses of the functions of C that stand for ours. */
export interface TlsCallbacks {
  readonly verify: number;
  readonly selectProtocol: number;
  readonly keyLog: number;
}

/** What the TLS connections of one thread share, and the count of what they own. */
export class TlsThread {
  readonly reactor: Reactor;
  readonly openSsl: OpenSsl;
  readonly closeLimits: CloseLimits;
  readonly recordsPerKey: number;
  readonly records: 'own' | 'openssl';
  readonly gate: HandshakeGate;
  readonly wire: Wire;
  readonly intake: Intake;
  readonly callbacks: TlsCallbacks;
  /** Where SCRATCH_BYTES are that nobody keeps anything in across calls. */
  readonly scratch: number;
  /** Where the list of protocols to offer is. */
  readonly protocols: number;
  /** Where records are read to: CIPHERTEXT_BYTES. */
  readonly ciphertext: number;
  readonly cipherMemory: CipherMemory;
  /** Of the handshake that goes on inside of OpenSSL. */
  secrets: TrafficSecrets | undefined;
  /** Whose handshake goes on inside of OpenSSL. */
  verifier: Verifier | undefined;
  /** Whose wire it is. */
  writer: WireUser | undefined;
  readonly #verification: PeerVerification;
  readonly #release: () => void;
  #handles = 0;
  #contexts = 0;
  #closed = false;

  /** @throws {ReactorError} `REACTOR_UNSUPPORTED`, `REACTOR_MEMORY_EXHAUSTED` */
  constructor(reactor: Reactor, closeLimits: CloseLimits, options: TlsThreadOptions = {}) {
    const { arena } = reactor;
    this.reactor = reactor;
    this.closeLimits = closeLimits;
    this.recordsPerKey = options.recordsPerKey ?? RECORDS_PER_KEY;
    this.records = options.records ?? 'own';
    this.gate = new HandshakeGate(options, () => reactor.now());
    this.openSsl = new OpenSsl(arena);
    this.scratch = arena.reserve(SCRATCH_BYTES);
    this.protocols = arena.reserve(ALPN_PROTOCOL.length + 1);
    arena.bytes[this.protocols] = ALPN_PROTOCOL.length;
    arena.bytes.set(Buffer.from(ALPN_PROTOCOL, 'latin1'), this.protocols + 1);
    this.ciphertext = arena.reserve(CIPHERTEXT_BYTES);
    this.cipherMemory = new CipherMemory(arena);
    this.wire = new Wire(this.openSsl, arena);
    this.intake = new Intake(this.openSsl);
    this.#verification = new PeerVerification(this.openSsl, arena, this.scratch);
    const verify = this.openSsl.register((storeContext = 0) => this.#verify(storeContext), VERIFY_PARAMETERS);
    const select = this.openSsl.register((...values) => this.#selectProtocol(values), SELECT_PARAMETERS);
    const keyLog = this.openSsl.register((_ssl, line = 0) => this.#takeSecret(line), KEY_LOG_PARAMETERS);
    this.callbacks = { verify: verify.address, selectProtocol: select.address, keyLog: keyLog.address };
    this.#release = () => {
      verify.release();
      select.release();
      keyLog.release();
    };
  }

  /** TLS connections that hold something of OpenSSL's. */
  get handles(): number {
    return this.#handles;
  }

  /** Contexts of credentials that are not closed. */
  get contexts(): number {
    return this.#contexts;
  }

  /** Handshakes in progress. */
  get handshakes(): number {
    return this.gate.inProgress;
  }

  /** @throws {ReactorError} `REACTOR_MEMORY_EXHAUSTED`, `REACTOR_CLOSED` */
  newContext(): Handle {
    if (this.#closed) throw new ReactorError('REACTOR_CLOSED', 'the TLS of this thread is closed');
    const { call } = this.openSsl;
    const context = call.SSL_CTX_new(call.TLS_method());
    if (context === 0) throw new ReactorError('REACTOR_MEMORY_EXHAUSTED', 'OpenSSL has no memory for a context');
    this.#contexts++;
    return context;
  }

  freeContext(context: Handle): void {
    this.openSsl.call.SSL_CTX_free(context);
    this.#contexts--;
  }

  /** An SSL object that writes to the wire and reads from the intake; 0 if there is no memory. */
  newSsl(context: Handle, role: 'client' | 'server'): Handle {
    const { call } = this.openSsl;
    const ssl = call.SSL_new(context);
    if (ssl === 0) return 0;
    this.#handles++;
    call.SSL_set0_rbio(ssl, this.intake.share());
    call.SSL_set0_wbio(ssl, this.wire.share());
    if (role === 'server') call.SSL_set_accept_state(ssl);
    else {
      call.SSL_set_connect_state(ssl);
      // The reference asks for a stapled OCSP response and looks at none. hbone.md §1.1, extension 5
      call.SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE, TLSEXT_STATUSTYPE_OCSP, 0);
    }
    return ssl;
  }

  /** Once for what `newSsl` has answered. */
  freeSsl(ssl: Handle): void {
    this.openSsl.call.SSL_free(ssl);
    this.#handles--;
  }

  /** Connections are closed by whoever has them, before. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // A connection that was forgotten may still be ended: what it would touch then is rather lost than freed.
    if (this.#handles > 0) return;
    this.wire.close();
    this.intake.close();
    // What still has a context may call back: such functions are never given back.
    if (this.#contexts === 0) this.#release();
  }

  /** A connection holds something of OpenSSL's (1), or nothing any more (-1). */
  count(change: 1 | -1): void {
    this.#handles += change;
  }

  #verify(storeContext: Handle): 0 | 1 {
    const answer = this.#verification.run(storeContext, this.verifier);
    // Whoever verified may have written to others, and OpenSSL goes on to write for this one.
    if (this.writer !== undefined) this.wire.claim(this.writer);
    return answer;
  }

  #takeSecret(line: number): 0 {
    const length = this.openSsl.call.strnlen(line, MOST_SECRET_LINE_BYTES);
    this.openSsl.copyIn(this.scratch, line, length);
    const copy = this.reactor.arena.bytes.subarray(this.scratch, this.scratch + length);
    this.secrets?.take(copy);
    copy.fill(0);
    return 0;
  }

  /** A server's answer to ALPN. `values`: ssl, where to write an address, where a length; the client's list and its length. */
  #selectProtocol([, address = 0, lengthAddress = 0, list = 0, length = 0]: readonly number[]): number {
    if (length > MAX_PROTOCOLS_BYTES) return SSL_TLSEXT_ERR_ALERT_FATAL;
    this.openSsl.copyIn(this.scratch, list, length);
    const { bytes } = this.reactor.arena;
    for (let at = this.scratch; at < this.scratch + length; at += 1 + bytes[at]!) {
      if (bytes[at] !== ALPN_PROTOCOL.length) continue;
      const name = Buffer.from(bytes.subarray(at + 1, at + 1 + ALPN_PROTOCOL.length)).toString('latin1');
      if (name !== ALPN_PROTOCOL) continue;
      this.openSsl.answerBytes(address, lengthAddress, this.protocols + 1, ALPN_PROTOCOL.length);
      return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
}
