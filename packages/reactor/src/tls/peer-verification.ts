import { X509Certificate } from 'node:crypto';
import type { ConnectionFailure, TlsOptions } from '@ambientmesh/hbone';
import { CHAIN_TOO_LONG, chainFailure, MAX_CHAIN, type TlsRole, verificationFailure } from '@ambientmesh/hbone/engine';
import type { Arena } from '../memory/arena.ts';
import type { Handle, OpenSsl } from '../native/open-ssl.ts';
import {
  VERIFY_RESULT_NAMES,
  X509_V_ERR_APPLICATION_VERIFICATION,
  X509_V_ERR_CERT_HAS_EXPIRED,
  X509_V_ERR_CERT_NOT_YET_VALID,
  X509_V_ERR_CERT_REJECTED,
  X509_V_ERR_CERT_REVOKED,
  X509_V_ERR_CERT_SIGNATURE_FAILURE,
  X509_V_ERR_INVALID_EXTENSION,
  X509_V_ERR_INVALID_PURPOSE,
  X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
  X509_V_OK,
} from '../native/open-ssl-constants.ts';

/** A connection whose handshake has come to the peer's certificates. */
export interface Verifier {
  readonly role: TlsRole;
  readonly verify: TlsOptions['verify'];
  accepted(peerChain: readonly Uint8Array[]): void;
  refused(failure: ConnectionFailure): void;
}

/**
 * Results to be set for what `TlsOptions.verify` says, so that OpenSSL sends the alert that the reference would send for
 * the same `CertificateError`: its first word, and the result.
 */
const RESULTS: ReadonlyMap<string, number> = new Map([
  ['Revoked', X509_V_ERR_CERT_REVOKED],
  ['Expired', X509_V_ERR_CERT_HAS_EXPIRED],
  ['ExpiredContext', X509_V_ERR_CERT_HAS_EXPIRED],
  ['NotValidYet', X509_V_ERR_CERT_HAS_EXPIRED],
  ['NotValidYetContext', X509_V_ERR_CERT_HAS_EXPIRED],
  ['UnknownIssuer', X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY],
  ['UnknownRevocationStatus', X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY],
  ['ExpiredRevocationList', X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY],
  ['ExpiredRevocationListContext', X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY],
  ['BadSignature', X509_V_ERR_CERT_SIGNATURE_FAILURE],
  ['InvalidPurpose', X509_V_ERR_INVALID_PURPOSE],
  ['InvalidPurposeContext', X509_V_ERR_INVALID_PURPOSE],
  ['BadEncoding', X509_V_ERR_CERT_REJECTED],
  ['UnhandledCriticalExtension', X509_V_ERR_CERT_REJECTED],
  ['InvalidCertRevocationList', X509_V_ERR_APPLICATION_VERIFICATION],
]);

/** Looks at peers' chains, for all connections of a thread: by OpenSSL's rules first, then by those of `TlsOptions.verify`. */
export class PeerVerification {
  readonly #openSsl: OpenSsl;
  readonly #arena: Arena;
  readonly #memory: number;

  /** `memory`: where MAX_CHAIN.bytes of the arena are free during a call. */
  constructor(openSsl: OpenSsl, arena: Arena, memory: number) {
    this.#openSsl = openSsl;
    this.#arena = arena;
    this.#memory = memory;
  }

  /** What a verification callback answers: 1 to go on with the handshake. Never throws. */
  run(storeContext: Handle, verifier: Verifier | undefined): 0 | 1 {
    if (verifier === undefined) return 0;
    try {
      return this.#run(storeContext, verifier);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return this.#refuse(storeContext, verifier, `verification failed: ${text}`);
    }
  }

  #run(storeContext: Handle, verifier: Verifier): 0 | 1 {
    const { call } = this.#openSsl;
    const chain = this.#readChain(call.X509_STORE_CTX_get0_untrusted(storeContext));
    if (chain === undefined) return this.#refuse(storeContext, verifier, CHAIN_TOO_LONG);
    if (call.X509_verify_cert(storeContext) !== 1) return this.#refuseChain(storeContext, verifier, chain[0]);
    const reason = verifier.verify(chain);
    if (reason !== undefined) return this.#refuse(storeContext, verifier, reason);
    call.X509_STORE_CTX_set_error(storeContext, X509_V_OK);
    verifier.accepted(chain);
    return 1;
  }

  #refuseChain(storeContext: Handle, verifier: Verifier, leaf: Uint8Array | undefined): 0 {
    const { call } = this.#openSsl;
    const result = call.X509_STORE_CTX_get_error(storeContext);
    // OpenSSL would say bad_certificate; the reference says certificate_expired.
    if (result === X509_V_ERR_CERT_NOT_YET_VALID)
      call.X509_STORE_CTX_set_error(storeContext, X509_V_ERR_CERT_HAS_EXPIRED);
    const certificate = leaf === undefined ? undefined : new X509Certificate(leaf);
    verifier.refused(chainFailure(verifier.role, VERIFY_RESULT_NAMES[result] ?? 'UNSPECIFIED', certificate));
    return 0;
  }

  #refuse(storeContext: Handle, verifier: Verifier, reason: string | { readonly certificateError: string }): 0 {
    const error = typeof reason === 'string' ? '' : reason.certificateError;
    const result = RESULTS.get(/^\w*/.exec(error)?.[0] ?? '') ?? X509_V_ERR_INVALID_EXTENSION;
    this.#openSsl.call.X509_STORE_CTX_set_error(storeContext, result);
    verifier.refused(verificationFailure(verifier.role, reason));
    return 0;
  }

  /** Copies of the certificates that the peer sent, or undefined if they are too many or too large to be looked at. */
  #readChain(stack: Handle): readonly Uint8Array[] | undefined {
    const { call } = this.#openSsl;
    const count = call.OPENSSL_sk_num(stack);
    if (count > MAX_CHAIN.certificates) return undefined;
    const chain: Uint8Array[] = [];
    let bytes = 0;
    for (let index = 0; index < count; index++) {
      const certificate = call.OPENSSL_sk_value(stack, index);
      const length = this.#openSsl.certificateBytes(certificate);
      bytes += length;
      if (length <= 0 || bytes > MAX_CHAIN.bytes) return undefined;
      this.#openSsl.putCertificate(certificate, this.#memory, length);
      chain.push(this.#arena.bytes.slice(this.#memory, this.#memory + length));
    }
    return chain;
  }
}
