import { create, type MessageShape } from '@bufbuild/protobuf';
import { type Client, Metadata, type ServiceError } from '@grpc/grpc-js';
import { XdsError } from './errors.ts';
import {
  type IstioCertificateRequest,
  IstioCertificateRequestSchema,
  type IstioCertificateResponseSchema,
  IstioCertificateService,
} from './gen/istio/v1/auth/ca_pb.ts';
import { grpcMethod } from './grpc-method.ts';
import { grpcStatusName, renderGrpcStatus } from './grpc-status.ts';
import { createSecureClient, dialClient, type SecureTarget } from './secure-channel.ts';

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
/** Long enough for a CA that asks an external signer; the reference has no limit and would wait for ever. */
const DEFAULT_CALL_TIMEOUT_MS = 30_000;
/** Key in the request's metadata: whom to certify instead of the caller. */
const IMPERSONATED_IDENTITY = 'ImpersonatedIdentity';
/** What the reference's log says, and thus what people search for, when it gets no connection. */
const CONNECT_FAILED_MESSAGE = 'signing gRPC error (Unknown error): client error (Connect)';

const METHOD = grpcMethod(IstioCertificateService.method.createCertificate);

/** Where the certificate authority is, and as who to call it. */
export interface CaClientOptions extends SecureTarget {
  /** The bearer token, asked for each call, for it is replaced on disk as it ages. */
  readonly token: () => Promise<string> | string;
  readonly clusterId: string;
  /** More gRPC metadata for each call. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For name look-up, TCP, TLS and HTTP/2 together; 5 s if absent. */
  readonly connectTimeoutMs?: number;
  /** For the answer, once connected; 30 s if absent. */
  readonly callTimeoutMs?: number;
}

/** One request for a certificate. */
export interface CreateCertificateOptions {
  /** PEM, PKCS#10. */
  readonly csrPem: string;
  /** Lifetime asked for; the server may give less. */
  readonly validitySeconds: number;
  /** The SPIFFE ID to certify; empty for the caller's own. */
  readonly impersonate: string;
  /** Ends the call; its reason is thrown. */
  readonly signal?: AbortSignal;
}

/**
 * Client of `istio.v1.auth.IstioCertificateService`. Connects at the first call and again after a failed connection at
 * the next one; never in between.
 */
export class CaClient implements AsyncDisposable {
  readonly #options: CaClientOptions;
  readonly #metadata: Metadata;
  #target: SecureTarget;
  #client: Client;
  #closed = false;

  /** Dials nothing yet. Throws XDS_CONFIG_INVALID. */
  constructor(options: CaClientOptions) {
    this.#options = options;
    this.#target = options;
    this.#metadata = buildMetadata(options);
    this.#client = createSecureClient(this.#target);
  }

  /**
   * Has a certificate signed; the result is PEM texts: leaf, intermediates, root bundle.
   * Throws XDS_TOKEN_UNAVAILABLE, XDS_CONNECT_FAILED, XDS_CALL_FAILED (with `grpcStatus`), XDS_CLOSED or the reason of
   * the signal. The messages of the second and third are those of the reference.
   */
  async createCertificate(options: CreateCertificateOptions): Promise<string[]> {
    options.signal?.throwIfAborted();
    if (this.#closed) throw closedError();
    const metadata = await this.#authorized();
    const { csrPem: csr, validitySeconds, impersonate } = options;
    const request = create(IstioCertificateRequestSchema, {
      csr,
      validityDuration: BigInt(Math.trunc(validitySeconds)),
      metadata: impersonate === '' ? {} : { [IMPERSONATED_IDENTITY]: impersonate },
    });
    try {
      const response = await this.#connectAndCall(request, metadata, options.signal);
      return response.certChain;
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error;
    }
  }

  /** Trusts other roots from the next call on; calls under way end as they are. Throws XDS_CONFIG_INVALID and changes nothing. */
  rootChanged(rootPem: string): void {
    if (this.#closed) throw closedError();
    const target = { ...this.#target, rootPem };
    const client = createSecureClient(target);
    this.#client.close();
    this.#target = target;
    this.#client = client;
  }

  /** Refuses new calls and closes the connection once the open ones have ended. Idempotent. */
  close(): Promise<void> {
    this.#closed = true;
    this.#client.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #connectAndCall(
    request: IstioCertificateRequest,
    metadata: Metadata,
    signal?: AbortSignal,
  ): Promise<CaResponse> {
    if (this.#closed) throw closedError();
    const client = this.#client;
    const connectTimeoutMs = this.#options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
    const outcome = await dialClient(client, connectTimeoutMs, signal);
    if (outcome === 'connected') return this.#call(client, request, metadata, signal);
    if (this.#closed || outcome === 'aborted') throw closedError();
    // Replaced meanwhile, by new roots or by the failure of another call.
    if (outcome === 'closed') return this.#connectAndCall(request, metadata, signal);
    try {
      if (outcome === 'late') throw unreachable(`no connection within ${connectTimeoutMs} ms`);
      return await this.#call(client, request, metadata, signal);
    } catch (error) {
      throw this.#connectError(client, error);
    }
  }

  /** What to throw after a call without connection; the next call gets a new client, which dials at once. */
  #connectError(client: Client, error: unknown): unknown {
    // Seldom, the connection comes up just before the call.
    if (!(error instanceof XdsError) || error.grpcStatus !== 'UNAVAILABLE') return error;
    if (this.#client === client && !this.#closed) this.#client = createSecureClient(this.#target);
    client.close();
    const cause = new Error(`${this.#target.address}: ${(error.grpcMessage ?? '').replace(/ Resolution note: $/, '')}`);
    return new XdsError('XDS_CONNECT_FAILED', CONNECT_FAILED_MESSAGE, { cause });
  }

  #call(
    client: Client,
    request: IstioCertificateRequest,
    metadata: Metadata,
    signal?: AbortSignal,
  ): Promise<CaResponse> {
    const deadline = Date.now() + (this.#options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS);
    return new Promise((resolve, reject) => {
      const cancel = () => call.cancel();
      const call = client.makeUnaryRequest<IstioCertificateRequest, CaResponse>(
        METHOD.path,
        METHOD.requestSerialize,
        METHOD.responseDeserialize,
        request,
        metadata,
        { deadline },
        (error, response) => {
          signal?.removeEventListener('abort', cancel);
          if (response !== undefined && error === null) resolve(response);
          else reject(callError(error));
        },
      );
      signal?.addEventListener('abort', cancel, { once: true });
      if (signal?.aborted === true) cancel();
    });
  }

  async #authorized(): Promise<Metadata> {
    const metadata = this.#metadata.clone();
    try {
      const token = await this.#options.token();
      if (token === '') throw new Error('the token is empty');
      metadata.set('authorization', `Bearer ${token}`);
    } catch (cause) {
      // The message of a refused header would show the token.
      const why = cause instanceof Error && !cause.message.includes('Bearer') ? cause.message : 'not a header value';
      throw new XdsError('XDS_TOKEN_UNAVAILABLE', `bearer token: ${why}`, { cause: new Error(why) });
    }
    return metadata;
  }
}

type CaResponse = MessageShape<typeof IstioCertificateResponseSchema>;

function buildMetadata(options: CaClientOptions): Metadata {
  const metadata = new Metadata();
  try {
    for (const [key, value] of Object.entries(options.headers ?? {})) metadata.set(key, value);
    metadata.set('clusterid', options.clusterId);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new XdsError('XDS_CONFIG_INVALID', `gRPC metadata: ${why}`, { cause });
  }
  return metadata;
}

function callError(error: ServiceError | null): XdsError {
  const grpcStatus = error === null ? 'INTERNAL' : grpcStatusName(error.code);
  const grpcMessage = error?.details ?? 'no answer';
  const message = `signing gRPC error (${renderGrpcStatus(grpcStatus)}): ${grpcMessage}`;
  return new XdsError('XDS_CALL_FAILED', message, { grpcStatus, grpcMessage, cause: error });
}

function unreachable(grpcMessage: string): XdsError {
  return new XdsError('XDS_CALL_FAILED', grpcMessage, { grpcStatus: 'UNAVAILABLE', grpcMessage });
}

function closedError(): XdsError {
  return new XdsError('XDS_CLOSED', 'the client of the certificate authority was closed');
}
