import type { Arena } from '../memory/arena.ts';
import type { Handle, OpenSsl } from '../native/open-ssl.ts';
import { EVP_CTRL_AEAD_GET_TAG, EVP_CTRL_AEAD_SET_TAG } from '../native/open-ssl-constants.ts';
import { NONCE_BYTES, nextSecret, type RecordSuite, trafficKeys } from './traffic-keys.ts';

/** Before each record: its type, a version, and its length. RFC 8446 5.1 */
export const RECORD_HEADER_BYTES = 5;
/** The type of what is inside, and the tag. RFC 8446 5.2 */
export const RECORD_TAIL_BYTES = 17;
export const TAG_BYTES = 16;
/** As it is seen from outside, whatever is inside. RFC 8446 5.2 */
export const APPLICATION_DATA = 23;
/** TLS 1.2, as all records of TLS 1.3 say. RFC 8446 5.2 */
const RECORD_VERSION = 3;
const KEY_BYTES = 32;
const MESSAGE_BYTES = 8;
const WORD = 2 ** 32;

/** Memory that ciphers use during a call; one of a thread. */
export class CipherMemory {
  readonly nonce: number;
  readonly nonceAddress: number;
  /** Where OpenSSL writes how many octets it made, which is known. */
  readonly lengthAddress: number;
  /** The type of what is inside a record. */
  readonly type: number;
  readonly typeAddress: number;
  readonly key: number;
  /** Plaintext of an alert or a KeyUpdate. */
  readonly message: number;

  constructor(arena: Arena) {
    this.nonce = arena.reserve(NONCE_BYTES);
    this.nonceAddress = arena.address(this.nonce, NONCE_BYTES);
    this.lengthAddress = arena.address(arena.reserve(4), 4);
    this.type = arena.reserve(1);
    this.typeAddress = arena.address(this.type, 1);
    this.key = arena.reserve(KEY_BYTES);
    this.message = arena.reserve(MESSAGE_BYTES);
  }
}

/**
 * Protects the records of one direction of a connection, or opens them: AES-GCM by OpenSSL's EVP. Only this class touches
 * the sequence number, of which the nonce is made: no number is used twice with a key. RFC 8446 5.2, 5.3
 */
export class RecordCipher {
  /** Records since the key is in use. */
  records = 0;
  readonly #openSsl: OpenSsl;
  readonly #arena: Arena;
  readonly #memory: CipherMemory;
  readonly #suite: RecordSuite;
  readonly #encrypts: 0 | 1;
  readonly #iv = new Uint8Array(NONCE_BYTES);
  #secret: Uint8Array;
  #context: Handle;

  constructor(
    openSsl: OpenSsl,
    arena: Arena,
    memory: CipherMemory,
    {
      suite,
      secret,
      encrypts,
    }: { readonly suite: RecordSuite; readonly secret: Uint8Array; readonly encrypts: boolean },
  ) {
    this.#openSsl = openSsl;
    this.#arena = arena;
    this.#memory = memory;
    this.#suite = suite;
    this.#encrypts = encrypts ? 1 : 0;
    this.#secret = secret;
    this.#context = openSsl.call.EVP_CIPHER_CTX_new();
    if (this.#context !== 0) this.#takeKeys();
  }

  /** Whether OpenSSL had memory for it, and it is not freed. */
  get usable(): boolean {
    return this.#context !== 0;
  }

  /** New keys, which both ends have agreed on. RFC 8446 4.6.3 */
  update(): void {
    const before = this.#secret;
    this.#secret = nextSecret(this.#suite, before);
    before.fill(0);
    this.#takeKeys();
  }

  /**
   * Makes a record at `to` of `[at, at + length)`, whose inner type is `type`; answers its length, or -1 if OpenSSL fails.
   * `[to, …)` has room for RECORD_HEADER_BYTES + length + RECORD_TAIL_BYTES, and overlaps nothing.
   */
  seal(at: number, length: number, type: number, to: number): number {
    const { call } = this.#openSsl;
    const { bytes } = this.#arena;
    const { lengthAddress, nonceAddress } = this.#memory;
    const inner = length + RECORD_TAIL_BYTES;
    const from = this.#arena.address(at, length);
    const record = this.#arena.address(to, RECORD_HEADER_BYTES + inner);
    const body = record + RECORD_HEADER_BYTES;
    bytes[to] = APPLICATION_DATA;
    bytes[to + 1] = bytes[to + 2] = RECORD_VERSION;
    bytes[to + 3] = inner >> 8;
    bytes[to + 4] = inner & 0xff;
    bytes[this.#memory.type] = type;
    this.#putNonce();
    const done =
      this.#context !== 0 &&
      call.EVP_CipherInit_ex(this.#context, 0, 0, 0, nonceAddress, -1) === 1 &&
      call.EVP_CipherUpdate(this.#context, 0, lengthAddress, record, RECORD_HEADER_BYTES) === 1 &&
      call.EVP_CipherUpdate(this.#context, body, lengthAddress, from, length) === 1 &&
      call.EVP_CipherUpdate(this.#context, body + length, lengthAddress, this.#memory.typeAddress, 1) === 1 &&
      call.EVP_CipherFinal_ex(this.#context, body + length + 1, lengthAddress) === 1 &&
      call.EVP_CIPHER_CTX_ctrl(this.#context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, body + length + 1) === 1;
    return done ? RECORD_HEADER_BYTES + inner : this.#fail();
  }

  /**
   * Opens the record at `at` whose body has `length` octets, more than TAG_BYTES, to `to`, where length - TAG_BYTES have
   * room; answers how many there are, the inner type and padding included, or -1 if the record is not authentic: what is at
   * `to` means nothing then.
   */
  open(at: number, length: number, to: number): number {
    const { call } = this.#openSsl;
    const { lengthAddress, nonceAddress } = this.#memory;
    const inner = length - TAG_BYTES;
    const record = this.#arena.address(at, RECORD_HEADER_BYTES + length);
    const body = record + RECORD_HEADER_BYTES;
    const out = this.#arena.address(to, inner);
    this.#putNonce();
    const done =
      this.#context !== 0 &&
      call.EVP_CipherInit_ex(this.#context, 0, 0, 0, nonceAddress, -1) === 1 &&
      call.EVP_CIPHER_CTX_ctrl(this.#context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, body + inner) === 1 &&
      call.EVP_CipherUpdate(this.#context, 0, lengthAddress, record, RECORD_HEADER_BYTES) === 1 &&
      call.EVP_CipherUpdate(this.#context, out, lengthAddress, body, inner) === 1 &&
      call.EVP_CipherFinal_ex(this.#context, out + inner, lengthAddress) === 1;
    return done ? inner : this.#fail();
  }

  /** Idempotent. OpenSSL wipes its keys. */
  free(): void {
    this.#secret.fill(0);
    this.#iv.fill(0);
    if (this.#context !== 0) this.#openSsl.call.EVP_CIPHER_CTX_free(this.#context);
    this.#context = 0;
  }

  /** What OpenSSL says of it is nobody's: who comes next would find it in the queue. */
  #fail(): -1 {
    this.#openSsl.call.ERR_clear_error();
    return -1;
  }

  #takeKeys(): void {
    const { call } = this.#openSsl;
    const { bytes } = this.#arena;
    const { key, iv } = trafficKeys(this.#suite, this.#secret);
    const at = this.#memory.key;
    bytes.set(key, at);
    this.#iv.set(iv);
    // Of HMAC's own copies none is ours to wipe.
    key.fill(0);
    iv.fill(0);
    this.records = 0;
    const cipher = this.#suite.keyBytes === 16 ? call.EVP_aes_128_gcm() : call.EVP_aes_256_gcm();
    const address = this.#arena.address(at, KEY_BYTES);
    const done = call.EVP_CipherInit_ex(this.#context, cipher, 0, address, 0, this.#encrypts) === 1;
    bytes.fill(0, at, at + KEY_BYTES);
    // Without a key no record is made or opened.
    if (!done) this.free();
  }

  /** The IV, its last 8 octets XORed with the number of the record. */
  #putNonce(): void {
    const { bytes } = this.#arena;
    const { nonce } = this.#memory;
    const iv = this.#iv;
    const high = Math.floor(this.records / WORD);
    const low = this.records % WORD;
    this.records++;
    for (let index = 0; index < 4; index++) bytes[nonce + index] = iv[index]!;
    for (let index = 0; index < 4; index++) {
      bytes[nonce + 4 + index] = iv[4 + index]! ^ (high >>> (24 - 8 * index));
      bytes[nonce + 8 + index] = iv[8 + index]! ^ (low >>> (24 - 8 * index));
    }
  }
}
