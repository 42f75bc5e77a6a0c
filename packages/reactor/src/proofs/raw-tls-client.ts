import type { CredentialsSource, Engine, Plain } from '@ambientmesh/hbone';
import { CLOSE_LIMITS } from '@ambientmesh/hbone/engine';
import { Reactor } from '../loop/reactor.ts';
import { foreignLibrary } from '../native/foreign-library.ts';
import type { Handle } from '../native/open-ssl.ts';
import { ReactorCredentials } from '../tls/tls-context.ts';
import { SCRATCH_BYTES, TlsThread } from '../tls/tls-thread.ts';

const SLAB_BYTES = 1_048_576;
const MOST_READ_BYTES = 16_384;
const UPDATE_REQUESTED = 1;
const VERIFIER = { role: 'client', verify: () => undefined, accepted: () => {}, refused: () => {} } as const;

/** A client of TLS that sends what no `Secure` does. Its OpenSSL has memory of its own; its socket is a `Plain`. For tests. */
export class RawTlsClient {
  established = false;
  received = 0;
  /** While it does not read, answers wait on their way. */
  reading = true;
  readonly #reactor = new Reactor({ slabBytes: SLAB_BYTES });
  readonly #tls = new TlsThread(this.#reactor, CLOSE_LIMITS);
  readonly #credentials: ReactorCredentials;
  readonly #plain: Plain;
  readonly #ssl: Handle;
  readonly #at: number;

  /** `engine` only brands the credentials. `fragmentCode`: of the longest records it wants. RFC 6066 4 */
  constructor(engine: Engine, plain: Plain, credentials: CredentialsSource, fragmentCode = 0) {
    this.#credentials = new ReactorCredentials(engine, this.#tls, credentials);
    this.#ssl = this.#tls.newSsl(this.#credentials.context, 'client');
    foreignLibrary().find('SSL_set_tlsext_max_fragment_length', 'int', ['uintptr_t', 'uint8_t'])(
      this.#ssl,
      fragmentCode,
    );
    this.#at = this.#reactor.arena.reserve(MOST_READ_BYTES);
    this.#plain = plain;
    plain.handler = { readable: () => {}, written: () => {}, failed: () => {} };
  }

  /** What has left, and the kernel has not taken. */
  get queued(): number {
    return this.#plain.queued;
  }

  /** Reads, answers, and sends what there is. To be called outside of turns. */
  turn(): void {
    if (this.reading) while (this.#plain.read(MOST_READ_BYTES, { bytes: (...bytes) => this.#take(...bytes) }) > 0);
    this.#work();
  }

  /** A KeyUpdate, and nothing else: the peer is to answer with its own. */
  updateKey(): void {
    const { call } = this.#tls.openSsl;
    if (call.SSL_key_update(this.#ssl, UPDATE_REQUESTED) !== 1) throw new Error('no KeyUpdate');
    call.SSL_do_handshake(this.#ssl);
    this.#send();
  }

  send(bytes: Uint8Array): void {
    this.#reactor.arena.bytes.set(bytes, this.#at);
    this.#tls.openSsl.write(this.#ssl, this.#at, bytes.length);
    this.#send();
  }

  close(): void {
    this.#plain.reset();
    this.#tls.freeSsl(this.#ssl);
    this.#credentials.close();
    this.#tls.close();
    this.#reactor.close();
  }

  #take(memory: Uint8Array, start: number, end: number): void {
    const { scratch, intake } = this.#tls;
    this.#reactor.arena.bytes.set(memory.subarray(start, end), scratch);
    intake.put(scratch, end - start);
    this.#work();
  }

  #work(): void {
    const { openSsl } = this.#tls;
    openSsl.call.ERR_clear_error();
    if (!this.established) {
      this.#tls.verifier = VERIFIER;
      this.established = openSsl.call.SSL_do_handshake(this.#ssl) === 1;
      this.#tls.verifier = undefined;
    }
    // A read ends behind each KeyUpdate.
    while (this.established) {
      const bytes = openSsl.read(this.#ssl, this.#at, MOST_READ_BYTES);
      if (bytes > 0) this.received += bytes;
      else if (this.#tls.intake.left === 0) break;
    }
    this.#send();
  }

  #send(): void {
    const { wire, openSsl, scratch } = this.#tls;
    for (let lent = wire.waiting(); lent.length > 0; lent = wire.waiting()) {
      const length = Math.min(lent.length, SCRATCH_BYTES);
      openSsl.copyIn(scratch, lent.address, length);
      wire.take(length);
      this.#plain.write(this.#reactor.arena.bytes.slice(scratch, scratch + length), 0, length);
    }
  }
}
