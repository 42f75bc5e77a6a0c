import type { Arena } from '../memory/arena.ts';
import { type ForeignFunction, type ForeignLibrary, foreignLibrary } from './foreign-library.ts';

/** A handle of OpenSSL's, or 0. Whoever has one frees it once. */
export type Handle = number;

const INT = 'int';
const LONG = 'long';
const SIZE = 'size_t';
const UINT8 = 'uint8_t';
const UINT16 = 'uint16_t';
const UINT64 = 'uint64_t';
const POINTER = 'uintptr_t';
const VOID = 'void';
const TEXT = 'const char *';

/** Result and parameters of what takes numbers and handles. */
const FUNCTIONS = {
  BIO_ctrl_get_write_guarantee: [SIZE, POINTER],
  BIO_ctrl_pending: [SIZE, POINTER],
  BIO_free: [INT, POINTER],
  BIO_new: [POINTER, POINTER],
  BIO_new_bio_pair: [INT, POINTER, SIZE, POINTER, SIZE],
  BIO_nread: [INT, POINTER, POINTER, INT],
  BIO_nread0: [INT, POINTER, POINTER],
  BIO_nwrite: [INT, POINTER, POINTER, INT],
  BIO_nwrite0: [INT, POINTER, POINTER],
  BIO_s_mem: [POINTER],
  BIO_up_ref: [INT, POINTER],
  BIO_write: [INT, POINTER, POINTER, INT],
  ERR_clear_error: [VOID],
  ERR_error_string_n: [VOID, UINT64, POINTER, SIZE],
  ERR_peek_error: [UINT64],
  EVP_CIPHER_CTX_ctrl: [INT, POINTER, INT, INT, POINTER],
  EVP_CIPHER_CTX_free: [VOID, POINTER],
  EVP_CIPHER_CTX_new: [POINTER],
  EVP_CipherFinal_ex: [INT, POINTER, POINTER, POINTER],
  EVP_CipherInit_ex: [INT, POINTER, POINTER, POINTER, POINTER, POINTER, INT],
  EVP_CipherUpdate: [INT, POINTER, POINTER, POINTER, POINTER, INT],
  EVP_PKEY_free: [VOID, POINTER],
  EVP_aes_128_gcm: [POINTER],
  EVP_aes_256_gcm: [POINTER],
  OPENSSL_sk_num: [INT, POINTER],
  OPENSSL_sk_value: [POINTER, POINTER, INT],
  PEM_read_bio_PrivateKey: [POINTER, POINTER, POINTER, POINTER, POINTER],
  PEM_read_bio_X509_AUX: [POINTER, POINTER, POINTER, POINTER, POINTER],
  SSL_CIPHER_get_protocol_id: [UINT16, POINTER],
  SSL_CTX_add_client_CA: [INT, POINTER, POINTER],
  SSL_CTX_ctrl: [LONG, POINTER, INT, LONG, POINTER],
  SSL_CTX_free: [VOID, POINTER],
  SSL_CTX_get_cert_store: [POINTER, POINTER],
  SSL_CTX_new: [POINTER, POINTER],
  SSL_CTX_set_alpn_protos: [INT, POINTER, POINTER, INT],
  SSL_CTX_set_alpn_select_cb: [VOID, POINTER, POINTER, POINTER],
  SSL_CTX_set_cert_verify_callback: [VOID, POINTER, POINTER, POINTER],
  SSL_CTX_set_keylog_callback: [VOID, POINTER, POINTER],
  SSL_CTX_set_num_tickets: [INT, POINTER, SIZE],
  SSL_CTX_set_options: [UINT64, POINTER, UINT64],
  SSL_CTX_set_verify: [VOID, POINTER, INT, POINTER],
  SSL_CTX_use_PrivateKey: [INT, POINTER, POINTER],
  SSL_CTX_use_certificate: [INT, POINTER, POINTER],
  SSL_ctrl: [LONG, POINTER, INT, LONG, POINTER],
  SSL_do_handshake: [INT, POINTER],
  SSL_free: [VOID, POINTER],
  SSL_get_current_cipher: [POINTER, POINTER],
  SSL_get_error: [INT, POINTER, INT],
  SSL_SESSION_get_max_fragment_length: [UINT8, POINTER],
  SSL_get_session: [POINTER, POINTER],
  SSL_get_shutdown: [INT, POINTER],
  SSL_has_pending: [INT, POINTER],
  SSL_key_update: [INT, POINTER, INT],
  SSL_new: [POINTER, POINTER],
  SSL_read: [INT, POINTER, POINTER, INT],
  SSL_set0_rbio: [VOID, POINTER, POINTER],
  SSL_set0_wbio: [VOID, POINTER, POINTER],
  SSL_set_accept_state: [VOID, POINTER],
  SSL_set_connect_state: [VOID, POINTER],
  SSL_shutdown: [INT, POINTER],
  SSL_write: [INT, POINTER, POINTER, INT],
  TLS_method: [POINTER],
  X509_STORE_CTX_get0_untrusted: [POINTER, POINTER],
  X509_STORE_CTX_get_error: [INT, POINTER],
  X509_STORE_CTX_set_error: [VOID, POINTER, INT],
  X509_STORE_add_cert: [INT, POINTER, POINTER],
  X509_free: [VOID, POINTER],
  X509_verify_cert: [INT, POINTER],
  i2d_X509: [INT, POINTER, POINTER],
  memcpy: [POINTER, POINTER, POINTER, SIZE],
  strnlen: [SIZE, POINTER, SIZE],
} as const;

/** Those that take a text, which koffi copies for the call, or answer one. */
const TEXT_FUNCTIONS = {
  BIO_puts: [INT, POINTER, TEXT],
  ERR_reason_error_string: [TEXT, UINT64],
  SSL_CTX_ctrl: [LONG, POINTER, INT, LONG, TEXT],
  SSL_CTX_set_ciphersuites: [INT, POINTER, TEXT],
  SSL_rstate_string: [TEXT, POINTER],
} as const;

interface TextFunctions {
  BIO_puts(bio: Handle, text: string): number;
  ERR_reason_error_string(error: number): string | null;
  SSL_CTX_ctrl(context: Handle, command: number, zero: 0, text: string): number;
  SSL_CTX_set_ciphersuites(context: Handle, text: string): number;
  SSL_rstate_string(ssl: Handle): string | null;
}

type Functions = Readonly<Record<keyof typeof FUNCTIONS, ForeignFunction>>;

const POINTER_BYTES = 8;
/** What a 64-bit pointer has above its lower 32 bits. */
const WORD = 2 ** 32;
/** What `ERR_error_string_n` fills at most. */
const ERROR_TEXT_BYTES = 256;
/** As `SSL_rstate_string` says it: the header of a record is there, and the record is not. */
const READING_BODY = 'RB';

/** What OpenSSL calls: with numbers, addresses and handles. Must not throw. */
export type Callback = (...values: readonly number[]) => number;

/** What C gives a callback. Not interchangeable: of the register of an `unsigned int` half is undefined (System V ABI, AAPCS64). */
export type CallbackParameter = 'pointer' | 'unsigned int';

const CALLBACK_TYPES: Readonly<Record<CallbackParameter, string>> = { pointer: POINTER, 'unsigned int': 'uint32_t' };

/** Bytes that are not the arena's: OpenSSL lends them until the next call for the same object. */
export interface LentBytes {
  readonly address: number;
  readonly length: number;
}

/**
 * The OpenSSL inside of the node binary. Memory is the arena's and named by offsets, which are checked; handles are numbers
 * that are not checked: the classes of `tls/` own them, and free each once. Nothing here throws but for memory that is not
 * the arena's.
 */
export class OpenSsl {
  /** What takes nothing but numbers and handles. Parameters that are pointers to memory are for the methods of this class. */
  readonly call: Functions;
  readonly text: TextFunctions;
  readonly #arena: Arena;
  readonly #library: ForeignLibrary;
  readonly #errorText: number;
  readonly #pointers: number;
  readonly #pointersAddress: number;
  readonly #lent = { address: 0, length: 0 };

  /** @throws {ReactorError} `REACTOR_UNSUPPORTED` if this node binary lacks one of the functions. */
  constructor(arena: Arena) {
    this.#library = foreignLibrary();
    this.#arena = arena;
    this.call = this.#bind(FUNCTIONS);
    // koffi turns `const char *` into texts and back.
    // oxlint-disable-next-line no-unsafe-type-assertion -- what C declares, no type guard can see
    this.text = this.#bind(TEXT_FUNCTIONS) as unknown as TextFunctions;
    this.#errorText = arena.reserve(ERROR_TEXT_BYTES);
    this.#pointers = arena.reserve(2 * POINTER_BYTES);
    this.#pointersAddress = arena.address(this.#pointers, 2 * POINTER_BYTES);
  }

  /** `SSL_read` into `[at, at + length)`. */
  read(ssl: Handle, at: number, length: number): number {
    return this.call.SSL_read(ssl, this.#arena.address(at, length), length);
  }

  /** `SSL_write` of `[at, at + length)`. */
  write(ssl: Handle, at: number, length: number): number {
    return this.call.SSL_write(ssl, this.#arena.address(at, length), length);
  }

  /** `BIO_write` of `[at, at + length)`. */
  put(bio: Handle, at: number, length: number): number {
    return this.call.BIO_write(bio, this.#arena.address(at, length), length);
  }

  /** Two BIOs of which each reads what the other was written; `bytes` of room the first is written into. Empty: no memory. */
  pair(bytes: number): readonly [Handle, Handle] | undefined {
    const second = this.#pointersAddress + POINTER_BYTES;
    if (this.call.BIO_new_bio_pair(this.#pointersAddress, bytes, second, POINTER_BYTES) !== 1) return undefined;
    return [this.#pointer(this.#pointers), this.#pointer(this.#pointers + POINTER_BYTES)];
  }

  /** What may be taken of one of a pair in one piece: `take` it, or a part. The same object each time. */
  waiting(bio: Handle): LentBytes {
    this.#lent.length = Math.max(0, this.call.BIO_nread0(bio, this.#pointersAddress));
    this.#lent.address = this.#lent.length === 0 ? 0 : this.#pointer(this.#pointers);
    return this.#lent;
  }

  /** Where one of a pair may be written to in one piece: say `fill` what was. The same object each time. */
  space(bio: Handle): LentBytes {
    this.#lent.length = Math.max(0, this.call.BIO_nwrite0(bio, this.#pointersAddress));
    this.#lent.address = this.#lent.length === 0 ? 0 : this.#pointer(this.#pointers);
    return this.#lent;
  }

  /** `bytes` were written to where there was `space`. */
  fill(bio: Handle, bytes: number): void {
    this.call.BIO_nwrite(bio, this.#pointersAddress, bytes);
  }

  /** Takes `bytes` of what was `waiting`. */
  take(bio: Handle, bytes: number): void {
    this.call.BIO_nread(bio, this.#pointersAddress, bytes);
  }

  /** Copies bytes that were lent, of an address in the middle of them too, to `[at, at + length)`. */
  copyIn(at: number, address: number, length: number): void {
    this.call.memcpy(this.#arena.address(at, length), address, length);
  }

  /** Writes where the arena's `[at, at + length)` is, and the length as an octet, to what a callback was given for it. */
  answerBytes(pointerAddress: number, lengthAddress: number, at: number, length: number): void {
    this.#putPointer(this.#arena.address(at, length));
    this.#arena.bytes[this.#pointers + POINTER_BYTES] = length;
    this.call.memcpy(pointerAddress, this.#pointersAddress, POINTER_BYTES);
    this.call.memcpy(lengthAddress, this.#pointersAddress + POINTER_BYTES, 1);
  }

  /** Octets of a certificate as DER, or a negative number. */
  certificateBytes(certificate: Handle): number {
    return this.call.i2d_X509(certificate, 0);
  }

  /** Writes a certificate of `length` octets as DER to `[at, at + length)`. */
  putCertificate(certificate: Handle, at: number, length: number): void {
    this.#putPointer(this.#arena.address(at, length));
    this.call.i2d_X509(certificate, this.#pointersAddress);
  }

  /** The next certificate of a BIO with PEM, or 0. */
  readCertificate(bio: Handle): Handle {
    return this.call.PEM_read_bio_X509_AUX(bio, 0, 0, this.#noPassword());
  }

  /** The key of a BIO with PEM, or 0. */
  readPrivateKey(bio: Handle): Handle {
    return this.call.PEM_read_bio_PrivateKey(bio, 0, 0, this.#noPassword());
  }

  /** The protocols a client offers, in the format of ALPN, at `[at, at + length)`. 0: done. */
  offerProtocols(context: Handle, at: number, length: number): number {
    return this.call.SSL_CTX_set_alpn_protos(context, this.#arena.address(at, length), length);
  }

  /** The oldest error in the queue, or 0; it stays there. */
  peekError(): number {
    return this.call.ERR_peek_error();
  }

  /** For people: the code, the library and the reason of an error. */
  errorText(error: number): string {
    const at = this.#errorText;
    this.call.ERR_error_string_n(error, this.#arena.address(at, ERROR_TEXT_BYTES), ERROR_TEXT_BYTES);
    const { bytes } = this.#arena;
    return Buffer.from(bytes.subarray(at, bytes.indexOf(0, at))).toString('latin1');
  }

  /** Whether the header of a record was read, and the rest is not all there. */
  isInsideRecord(ssl: Handle): boolean {
    return this.text.SSL_rstate_string(ssl) === READING_BODY;
  }

  /** Makes a function of C; `release` when OpenSSL does not know it any more. */
  register(
    callback: Callback,
    parameters: readonly CallbackParameter[],
  ): { readonly address: number; readonly release: () => void } {
    const { koffi } = this.#library;
    const types = parameters.map((parameter) => CALLBACK_TYPES[parameter]);
    const prototype = koffi.proto(INT, types);
    const registered = koffi.register(callback, koffi.pointer(prototype));
    return { address: Number(registered), release: () => koffi.unregister(registered) };
  }

  #bind<Name extends string>(
    table: Readonly<Record<Name, readonly string[]>>,
  ): Readonly<Record<Name, ForeignFunction>> {
    const bound = Object.fromEntries(
      Object.entries<readonly string[]>(table).map(([name, [result, ...parameters]]) => [
        name,
        this.#library.find(name, result ?? VOID, parameters),
      ]),
    );
    // oxlint-disable-next-line no-unsafe-type-assertion -- `fromEntries` forgets the names
    return bound as Record<Name, ForeignFunction>;
  }

  /** An empty text: without one, OpenSSL would ask the terminal for the password of an encrypted key. */
  #noPassword(): number {
    this.#putPointer(0);
    return this.#pointersAddress;
  }

  #pointer(at: number): number {
    const { view } = this.#arena;
    return view.getUint32(at + 4, true) * WORD + view.getUint32(at, true);
  }

  #putPointer(address: number): void {
    const { view } = this.#arena;
    view.setUint32(this.#pointers, address % WORD, true);
    view.setUint32(this.#pointers + 4, Math.floor(address / WORD), true);
  }
}
