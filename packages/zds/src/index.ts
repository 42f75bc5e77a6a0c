export { type AgentWorkload, listenZds, type SnapshotWorkload, ZdsServer, type ZdsServerOptions } from './agent.ts';
export { ZdsClient, type ZdsClientOptions, type ZdsClock } from './client.ts';
export { ZdsError, type ZdsErrorCode } from './errors.ts';
export type { ZdsLogger, ZdsLoggerFor, ZdsLogScope, ZdsLogValue } from './logger.ts';
export {
  decodeAck,
  decodeHello,
  decodeRequest,
  encodeAck,
  encodeHello,
  encodeRequest,
  type PacketFacts,
  type RequestReading,
  type WorkloadInfo,
  type ZdsRequest,
} from './messages.ts';
export { describeStartFailure, type StartFailure } from './start-failure.ts';
export type { ProxyHandler, WorkloadCounters } from './workload-manager.ts';
export type { WorkloadState } from './workload-states.ts';
