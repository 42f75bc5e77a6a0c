export {
  type Acceptor,
  type ByteSink,
  type Cancellable,
  type ConnectHandler,
  type ConnectionFailure,
  type ConnectOptions,
  type Credentials,
  type CredentialsSource,
  END,
  type Engine,
  type Listening,
  type Plain,
  type PlainHandler,
  type Secure,
  type SecureHandler,
  type SocketAddress,
  type TlsOptions,
} from '@ambientmesh/hbone';
export { createReactorEngine, type ReactorEngine, type ReactorEngineOptions, type ReactorHoldings } from './engine.ts';
export { ReactorError, type ReactorErrorCode, type ReactorErrorDetails } from './errors.ts';
export type { TurnTimes } from './loop/turn-histogram.ts';
export { type SelfTestOptions, selfTest } from './self-test.ts';
export type { ListenerOptions, OpenListener } from './sockets/socket-opener.ts';
