export { CaClient, type CaClientOptions, type CreateCertificateOptions } from './ca-client.ts';
export { type CaCall, CaServer, type CaServerOptions, listenCa } from './ca-server.ts';
export { XdsError, type XdsErrorCode, type XdsErrorOptions } from './errors.ts';
export { type GrpcStatus, renderGrpcStatus } from './grpc-status.ts';
export type { SecureTarget } from './secure-channel.ts';
