export { Codec } from './core/codec.ts';
export type { Events, Field, Fields, Receiver, Sender } from './core/contract.ts';
export { ErrorCode } from './core/error-code.ts';
export { type CodecOptions, MIN_CONTROL_ROOM_BYTES, type Role } from './core/limits.ts';
export type { Rate } from './core/rate-limit.ts';
export type {
  Acceptor,
  ByteSink,
  Cancellable,
  ConnectHandler,
  ConnectionFailure,
  ConnectOptions,
  Credentials,
  CredentialsSource,
  Engine,
  Listening,
  Plain,
  PlainHandler,
  Secure,
  SecureHandler,
  SocketAddress,
  TlsOptions,
} from './engine.ts';
export { END } from './engine.ts';
export type { CloseLimits } from './engine-rules/close-limits.ts';
export type { HboneErrorCode, HboneErrorDetails } from './errors.ts';
export { HboneError } from './errors.ts';
export type { GivenTunnelOptions } from './node/checked-options.ts';
export type { CloseOptions } from './node/deadline.ts';
export type { DialTunnelOptions } from './node/dial-tunnel.ts';
export { dialTunnel } from './node/dial-tunnel.ts';
export type { IncomingTunnel, Route } from './node/incoming-tunnel.ts';
export type { ListenTunnelsOptions, TunnelListener } from './node/listen-tunnels.ts';
export { listenTunnels } from './node/listen-tunnels.ts';
export type { RelayOptions, RelayResult } from './node/relay.ts';
export { relay } from './node/relay.ts';
export { TunnelClient } from './node/tunnel-client.ts';
export type { TunnelDuplex } from './node/tunnel-duplex.ts';
export type { TunnelHeaders } from './node/tunnel-headers.ts';
export type { OpenTunnelOptions, TunnelClientOptions } from './node/tunnel-opener.ts';
export type { PeerRefusal, VerifyPeer } from './node/verify-peer.ts';
export type { NodeEngine } from './node-engine/engine.ts';
export { createNodeEngine } from './node-engine/engine.ts';
export { PlainRelay } from './relay/plain-relay.ts';
export type { Direction, RelayFailure, RelayObserver } from './relay/relay-failure.ts';
export type { TunnelRelayOptions } from './relay/tunnel-relay.ts';
export { TunnelRelay } from './relay/tunnel-relay.ts';
export type { HandshakeHandler } from './tunnel/accept-tunnel.ts';
export { acceptTunnel, connectTunnel } from './tunnel/accept-tunnel.ts';
export type { ClientConnectionHandler, OpenOptions } from './tunnel/client-connection.ts';
export { ClientConnection } from './tunnel/client-connection.ts';
export type { TunnelOptions } from './tunnel/link.ts';
export type { LivenessOptions } from './tunnel/liveness.ts';
export type { ServerConnectionHandler, TunnelRequest } from './tunnel/server-connection.ts';
export { ServerConnection } from './tunnel/server-connection.ts';
export type { StreamFailure } from './tunnel/stream-failure.ts';
export { connectionFailureDebug, isRetryable, streamFailureText } from './tunnel/stream-failure.ts';
export type { StreamEnds } from './tunnel/stream-plain.ts';
export { StreamPlain } from './tunnel/stream-plain.ts';
export type { Dial, PoolRequest, PoolStreamHandler, TunnelPoolOptions } from './tunnel/tunnel-pool.ts';
export { TunnelPool } from './tunnel/tunnel-pool.ts';
export type {
  ClientStream,
  ClientStreamHandler,
  ServerStream,
  StreamHandler,
  TunnelStream,
} from './tunnel/tunnel-stream.ts';
