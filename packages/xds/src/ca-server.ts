import { create } from '@bufbuild/protobuf';
import {
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { XdsError } from './errors.ts';
import {
  type IstioCertificateRequest,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
  IstioCertificateService,
} from './gen/istio/v1/auth/ca_pb.ts';
import { grpcMethod } from './grpc-method.ts';
import { type GrpcStatus, isGrpcStatus } from './grpc-status.ts';

/** A signing request for an RSA 8192 key with token and metadata stays far below. */
const MAX_RECEIVED_BYTES = 65_536;
const MAX_STREAMS_PER_CONNECTION = 100;
/** A client that vanished without a word is noticed within this and the ten seconds after. */
const KEEPALIVE_TIME_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
const BEARER = 'Bearer ';

/** What a caller said about itself and its wish. */
export interface CaCall {
  /** From `authorization: Bearer …`; never empty. */
  readonly token: string;
  /** All gRPC metadata, the first value of each key; binary values left out. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The identity asked for instead of the caller's own. */
  readonly impersonate: string | undefined;
}

/** How to run the service. `Identity` is whatever `authorize` finds out and `sign` understands. */
export interface CaServerOptions<Identity> {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly tls: { readonly certPem: string; readonly keyPem: string };
  /**
   * Decides whom to certify. To refuse, throw an {@link XdsError} with code XDS_CALL_FAILED and a `grpcStatus`; its
   * message reaches the caller.
   */
  readonly authorize: (call: CaCall) => Promise<Identity>;
  /** Signs; the result is PEM texts: leaf, intermediates, root bundle. Refuses in the same way. */
  readonly sign: (csrPem: string, identity: Identity, validitySeconds: number) => Promise<string[]>;
  /** Told of errors that the caller only sees as INTERNAL. */
  readonly onInternalError?: (error: unknown) => void;
}

/** A running certificate service. */
export class CaServer implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  #closing: Promise<void> | undefined;

  /** Takes ownership of a bound server; use {@link listenCa}. */
  constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** Accepts nothing more and resolves when the calls under way have been answered. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.tryShutdown(() => resolve());
    });
    return this.#closing;
  }

  /** Cuts all connections now. Idempotent. */
  abort(): void {
    this.#server.forceShutdown();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Serves `istio.v1.auth.IstioCertificateService` over TLS. Throws XDS_LISTEN_FAILED. */
export async function listenCa<Identity>(options: CaServerOptions<Identity>): Promise<CaServer> {
  const server = new Server(SERVER_OPTIONS);
  server.addService(
    { createCertificate: grpcMethod(IstioCertificateService.method.createCertificate) },
    {
      createCertificate: (
        call: ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>,
        answer: sendUnaryData<IstioCertificateResponse>,
      ) => {
        createCertificate(options, call).then(
          (certChain) => answer(null, create(IstioCertificateResponseSchema, { certChain })),
          (error: unknown) => answer(statusOf(error, options.onInternalError)),
        );
      },
    },
  );
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  const port = await bind(server, `${host}:${options.port}`, options.tls);
  return new CaServer(server, port);
}

const SERVER_OPTIONS: ServerOptions = {
  'grpc.max_receive_message_length': MAX_RECEIVED_BYTES,
  'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
  'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.enable_channelz': 0,
};

function bind(server: Server, address: string, tls: CaServerOptions<unknown>['tls']): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      reject(new XdsError('XDS_LISTEN_FAILED', `certificate service on ${address}: ${why}`, { cause }));
    };
    try {
      const pair = { private_key: Buffer.from(tls.keyPem), cert_chain: Buffer.from(tls.certPem) };
      const credentials = ServerCredentials.createSsl(null, [pair]);
      server.bindAsync(address, credentials, (error, port) => (error === null ? resolve(port) : fail(error)));
    } catch (error) {
      fail(error);
    }
  });
}

async function createCertificate<Identity>(
  options: CaServerOptions<Identity>,
  call: ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>,
): Promise<string[]> {
  const token = bearerToken(call.metadata.get('authorization'));
  const asked = call.request.metadata?.['ImpersonatedIdentity'];
  const identity = await options.authorize({
    token,
    metadata: textMetadata(call.metadata.getMap()),
    impersonate: typeof asked === 'string' && asked !== '' ? asked : undefined,
  });
  return options.sign(call.request.csr, identity, Number(call.request.validityDuration));
}

/** Two tokens, or one of another scheme, are as good as none. */
function bearerToken(values: readonly (string | Buffer)[]): string {
  const [value] = values;
  if (values.length === 1 && typeof value === 'string' && value.startsWith(BEARER) && value.length > BEARER.length)
    return value.slice(BEARER.length);
  throw refusal('UNAUTHENTICATED', 'request authentication failure');
}

function textMetadata(all: Readonly<Record<string, string | Buffer>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(all).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])));
}

function refusal(grpcStatus: GrpcStatus, grpcMessage: string): XdsError {
  return new XdsError('XDS_CALL_FAILED', grpcMessage, { grpcStatus, grpcMessage });
}

/** Errors of the signer that are the caller's fault, by their stable codes; the classes may come from another copy. */
const INVALID_ARGUMENT_CODES: readonly unknown[] = [
  'SPIFFE_CSR_INVALID',
  'SPIFFE_ID_INVALID',
  'SPIFFE_SIGNING_REFUSED',
];

function statusOf(error: unknown, onInternalError?: (error: unknown) => void): { code: status; details: string } {
  if (error instanceof Error && 'code' in error) {
    if (error.code === 'XDS_CALL_FAILED' && 'grpcStatus' in error && isGrpcStatus(error.grpcStatus))
      return { code: status[error.grpcStatus], details: error.message };
    if (INVALID_ARGUMENT_CODES.includes(error.code)) return { code: status.INVALID_ARGUMENT, details: error.message };
  }
  onInternalError?.(error);
  // What went wrong inside is not for the caller.
  return { code: status.INTERNAL, details: 'certificate generation failed' };
}
