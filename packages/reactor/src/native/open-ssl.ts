import type { Arena } from '../memory/arena.ts';
import { type ForeignFunction, type ForeignLibrary, foreignLibrary } from './foreign-library.ts';

/** A handle of OpenSSL's, or 0. Whoever has one frees it once. */
export type Handle = number;

const [INT, LONG, SIZE, UINT64, POINTER, VOID] = ['int', 'long', 'size_t', 'uint64_t', 'uintptr_t', 'void'];
const TEXT = 'const char *';

/** Result and parameters of what takes numbers and handles. */
const FUNCTIONS = {
  BIO_ctrl: [LONG, POINTER, INT, LONG, POINTER],
  BIO_ctrl_get_write_guarantee: [SIZE, POINTER],
  BIO_free: [INT, POINTER],
  BIO_new: [POINTER, POINTER],
  BIO_new_bio_pair: [INT, POINTER, SIZE, POINTER, SIZE],
  BIO_new_socket: [POINTER, INT, INT],
  BIO_nread: [INT, POINTER, POINTER, INT],
  BIO_nread0: [INT, POINTER, POINTER],
  BIO_s_mem: [POINTER],
  BIO_up_ref: [INT, POINTER],
  BIO_write: [INT, POINTER, POINTER, INT],
  ERR_clear_error: [VOID],
  ERR_error_string_n: [VOID, UINT64, POINTER, SIZE],
  ERR_peek_error: [UINT64],
  EVP_PKEY_free: [VOID, POINTER],
  OPENSSL_sk_num: [INT, POINTER],
  OPENSSL_sk_value: [POINTER, POINTER, INT],
  PEM_read_bio_PrivateKey: [POINTER, POINTER, POINTER, POINTER, POINTER],
  PEM_read_bio_X509_AUX: [POINTER, POINTER, POINTER, POINTER, POINTER],
  SSL_CTX_add_client_CA: [INT, POINTER, POINTER],
  SSL_CTX_ctrl: [LONG, POINTER, INT, LONG, POINTER],
  SSL_CTX_free: [VOID, POINTER],
  SSL_CTX_get_cert_store: [POINTER, POINTER],
  SSL_CTX_new: [POINTER, POINTER],
  SSL_CTX_set_alpn_protos: [INT, POINTER, POINTER, INT],
  SSL_CTX_set_alpn_select_cb: [VOID, POINTER, POINTER, POINTER],
  SSL_CTX_set_cert_verify_callback: [VOID, POINTER, POINTER, POINTER],
  SSL_CTX_set_default_read_buffer_len: [VOID, POINTER, SIZE],
  SSL_CTX_set_num_tickets: [INT, POINTER, SIZE],
  SSL_CTX_set_options: [UINT64, POINTER, UINT64],
  SSL_CTX_set_verify: [VOID, POINTER, INT, POINTER],
  SSL_CTX_use_PrivateKey: [INT, POINTER, POINTER],
  SSL_CTX_use_certificate: [INT, POINTER, POINTER],
  SSL_ctrl: [LONG, POINTER, INT, LONG, POINTER],
  SSL_do_handshake: [INT, POINTER],
  SSL_free: [VOID, POINTER],
  SSL_get_error: [INT, POINTER, INT],
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
} as const satisfies Record<string, readonly (string | undefined)[]>;

/** Those that take a text, which is copied. */
const TEXT_FUNCTIONS = {
  BIO_puts: [INT, POINTER, TEXT],
  SSL_CTX_set_ciphersuites: [INT, POINTER, TEXT],
} as const;

type Functions = Readonly<Record<keyof typeof FUNCTIONS, ForeignFunction>>;
/** Words that a call writes to or reads: two pointers. */
const SCRATCH_BYTES = 32;
const POINTER_BYTES = 8;
const WORD = 2 ** 32;
/** What `ERR_error_string_n` needs at most. */
const ERROR_TEXT_BYTES = 256;

/** What a callback of OpenSSL's is told: numbers, addresses and handles. Must not throw. */
export type Callback = (...values: readonly number[]) => number;

/**
 * The OpenSSL inside of the node binary. Memory is the arena's and named by offsets, which are checked; handles are numbers
 * that are not checked: the classes of `tls/` own them, and free each once. Nothing here throws but for memory that is not
 * the arena's.
 */
export class OpenSsl {
  /** What takes nothing but numbers and handles, and the rest for the methods here. */
  readonly call: Functions;
  readonly #arena: Arena;
  readonly #library: ForeignLibrary;
  readonly #scratch: number;
  readonly #errorText: number;
  readonly #puts: (bio: Handle, text: string) => number;
  readonly #setSuites: (context: Handle, text: string) => number;
  readonly #controlText: (context: Handle, command: number, zero: number, text: string) => number;
  readonly #reason: (error: number) => string | null;
  readonly #state: (ssl: Handle) => string | null;

  /** @throws {ReactorError} `REACTOR_UNSUPPORTED` */
  constructor(arena: Arena) {
    const library = foreignLibrary();
    this.#library = library;
    this.#arena = arena;
    this.call = Object.fromEntries(
      Object.entries(FUNCTIONS).map(([name, [result, ...parameters]]) => [
        name,
        library.find(name, String(result), parameters.map(String)),
      ]),
    ) as unknown as Functions;
    this.#scratch = arena.reserve(SCRATCH_BYTES);
    this.#errorText = arena.reserve(ERROR_TEXT_BYTES);
    const texts = Object.entries(TEXT_FUNCTIONS).map(([name, [result, ...parameters]]) =>
      library.find(name, String(result), parameters.map(String)),
    );
    const [puts, setSuites] = texts as unknown as readonly OpenSsl['textFunction'][];
    this.#puts = puts!;
    this.#setSuites = setSuites!;
    const find = <Signature>(name: string, result: string, ...parameters: (string | undefined)[]): Signature =>
      library.find(name, result, parameters.map(String)) as unknown as Signature;
    this.#controlText = find('SSL_CTX_ctrl', 'long', POINTER, INT, LONG, TEXT);
    this.#reason = find('ERR_reason_error_string', TEXT, UINT64);
    this.#state = find('SSL_rstate_string', TEXT, POINTER);
  }
}
