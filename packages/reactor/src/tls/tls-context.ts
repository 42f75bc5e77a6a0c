import type { Credentials, CredentialsSource, Engine } from '@ambientmesh/hbone';
import {
  ALPN_PROTOCOL,
  CIPHER_SUITES,
  credentialsFailure,
  GROUP_LISTS,
  SIGNATURE_SCHEMES,
  SSL_OP_NO_ENCRYPT_THEN_MAC,
} from '@ambientmesh/hbone/engine';
import type { Handle, OpenSsl } from '../native/open-ssl.ts';
import {
  SSL_CTRL_CHAIN_CERT,
  SSL_CTRL_CLEAR_MODE,
  SSL_CTRL_MODE,
  SSL_CTRL_SET_GROUPS_LIST,
  SSL_CTRL_SET_MAX_PROTO_VERSION,
  SSL_CTRL_SET_MIN_PROTO_VERSION,
  SSL_CTRL_SET_SESS_CACHE_MODE,
  SSL_CTRL_SET_SIGALGS_LIST,
  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
  SSL_MODE_AUTO_RETRY,
  SSL_MODE_NO_AUTO_CHAIN,
  SSL_MODE_RELEASE_BUFFERS,
  SSL_OP_NO_RX_CERTIFICATE_COMPRESSION,
  SSL_OP_NO_TICKET,
  SSL_OP_NO_TX_CERTIFICATE_COMPRESSION,
  SSL_SESS_CACHE_OFF,
  SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
  SSL_VERIFY_PEER,
  TLS1_3_VERSION,
} from '../native/open-ssl-constants.ts';
import { takeOpenSslText } from './open-ssl-failure.ts';
import type { TlsThread } from './tls-thread.ts';

/** A sum, for bits above 31 have no bitwise operators. */
const OPTIONS =
  SSL_OP_NO_TICKET +
  SSL_OP_NO_ENCRYPT_THEN_MAC +
  SSL_OP_NO_TX_CERTIFICATE_COMPRESSION +
  SSL_OP_NO_RX_CERTIFICATE_COMPRESSION;
const MODES = SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS;

/** Of contexts that their owner has forgotten, in threads whose event loop turns. */
const forgotten = new FinalizationRegistry<() => void>((free) => free());

/**
 * Credentials as an `SSL_CTX`, for both roles. Every connection holds a reference of its own, so that `close` is free at any
 * time: the context goes with the last of them. Whoever forgets to close waits for the garbage collection, which tells
 * nothing in a thread whose event loop does not turn.
 */
export class ReactorCredentials implements Credentials {
  readonly engine: Engine;
  readonly #free: () => void;
  #context: Handle;

  /** @throws {HboneError} `HBONE_CREDENTIALS_INVALID` for what cannot be read or does not belong together. */
  constructor(engine: Engine, tls: TlsThread, source: CredentialsSource) {
    this.engine = engine;
    try {
      this.#context = buildContext(tls, source);
    } catch (cause) {
      throw credentialsFailure(source, cause);
    }
    const context = this.#context;
    this.#free = () => tls.freeContext(context);
    forgotten.register(this, this.#free, this);
  }

  /** The `SSL_CTX`, or 0 after `close`. */
  get context(): Handle {
    return this.#context;
  }

  /** No new connections; those that there are keep what they have. Idempotent. */
  close(): void {
    if (this.#context === 0) return;
    this.#context = 0;
    forgotten.unregister(this);
    this.#free();
  }
}

function buildContext(tls: TlsThread, source: CredentialsSource): Handle {
  const { openSsl } = tls;
  openSsl.call.ERR_clear_error();
  const context = tls.newContext();
  try {
    setParameters(tls, context);
    new ContextReader(openSsl, context).read(source);
    return context;
  } catch (error) {
    tls.freeContext(context);
    throw error;
  }
}

/** hbone.md §1.1 */
function setParameters({ openSsl, callbacks, protocols, records }: TlsThread, context: Handle): void {
  const { call, text } = openSsl;
  const must = (done: boolean, what: string): void => {
    if (!done) throw new Error(takeOpenSslText(openSsl, what));
  };
  const control = (command: number, value: number): number => call.SSL_CTX_ctrl(context, command, value, 0);
  must(control(SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION) === 1, 'TLS 1.3');
  must(control(SSL_CTRL_SET_MAX_PROTO_VERSION, TLS1_3_VERSION) === 1, 'TLS 1.3');
  must(text.SSL_CTX_set_ciphersuites(context, CIPHER_SUITES) === 1, 'cipher suites');
  const taken = GROUP_LISTS.find((list) => text.SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, list) === 1);
  must(taken !== undefined, 'groups');
  call.ERR_clear_error();
  must(text.SSL_CTX_ctrl(context, SSL_CTRL_SET_SIGALGS_LIST, 0, SIGNATURE_SCHEMES) === 1, 'signature schemes');
  call.SSL_CTX_set_options(context, OPTIONS);
  control(SSL_CTRL_MODE, MODES);
  control(SSL_CTRL_CLEAR_MODE, SSL_MODE_AUTO_RETRY);
  control(SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF);
  call.SSL_CTX_set_num_tickets(context, 0);
  must(openSsl.offerProtocols(context, protocols, ALPN_PROTOCOL.length + 1) === 0, 'ALPN');
  call.SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, 0);
  call.SSL_CTX_set_cert_verify_callback(context, callbacks.verify, 0);
  call.SSL_CTX_set_alpn_select_cb(context, callbacks.selectProtocol, 0);
  if (records === 'own') call.SSL_CTX_set_keylog_callback(context, callbacks.keyLog, 0);
}

/** Reads PEM into an `SSL_CTX`. Whatever is made here is freed here: the context takes references of its own. */
class ContextReader {
  readonly #openSsl: OpenSsl;
  readonly #context: Handle;

  constructor(openSsl: OpenSsl, context: Handle) {
    this.#openSsl = openSsl;
    this.#context = context;
  }

  read({ chainPem, privateKeyPem, rootsPem }: CredentialsSource): void {
    const { call } = this.#openSsl;
    const own = this.#certificates(chainPem, (certificate, index) =>
      index === 0
        ? call.SSL_CTX_use_certificate(this.#context, certificate)
        : call.SSL_CTX_ctrl(this.#context, SSL_CTRL_CHAIN_CERT, 1, certificate),
    );
    if (own === 0) this.#refuse('no certificate');
    this.#key(privateKeyPem);
    const store = call.SSL_CTX_get_cert_store(this.#context);
    let roots = 0;
    for (const pem of rootsPem)
      roots += this.#certificates(pem, (certificate) =>
        // Clients are told which authorities are good, as by the other engine and by the reference.
        call.SSL_CTX_add_client_CA(this.#context, certificate) === 1 ? call.X509_STORE_add_cert(store, certificate) : 0,
      );
    if (roots === 0) this.#refuse('no root');
    call.ERR_clear_error();
  }

  /** Answers how many there were. What follows the last one is not looked at. */
  #certificates(pem: string, add: (certificate: Handle, index: number) => number): number {
    const { call } = this.#openSsl;
    return this.#withText(pem, (bio) => {
      for (let count = 0; ; count++) {
        const certificate = this.#openSsl.readCertificate(bio);
        if (certificate === 0) return count;
        const added = add(certificate, count);
        call.X509_free(certificate);
        if (added <= 0) this.#refuse('certificate not usable');
      }
    });
  }

  #key(pem: string): void {
    const { call } = this.#openSsl;
    this.#withText(pem, (bio) => {
      const key = this.#openSsl.readPrivateKey(bio);
      if (key === 0) this.#refuse('no key');
      const used = call.SSL_CTX_use_PrivateKey(this.#context, key);
      call.EVP_PKEY_free(key);
      if (used !== 1) this.#refuse('key not usable');
    });
  }

  #withText<Result>(pem: string, read: (bio: Handle) => Result): Result {
    const { call, text } = this.#openSsl;
    const bio = call.BIO_new(call.BIO_s_mem());
    try {
      if (text.BIO_puts(bio, pem) < 0) this.#refuse('empty text');
      return read(bio);
    } finally {
      call.BIO_free(bio);
    }
  }

  #refuse(otherwise: string): never {
    throw new Error(takeOpenSslText(this.#openSsl, otherwise));
  }
}
