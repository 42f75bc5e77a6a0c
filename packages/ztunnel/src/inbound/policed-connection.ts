import type { Connection } from '@ambientmesh/policy';
import type { LogSpan } from '../log/line.ts';
import type { ConnectionError } from '../telemetry/connection-record.ts';

/** A connection that policies judge: when it comes, and again whenever what governs its pod changes. */
export interface PolicedConnection {
  /** What policies see of it. */
  readonly judged: Connection;
  /** Port of the other end, for logs. */
  readonly clientPort: number;
  /** What log lines about it are inside of, the pod's own span excepted. */
  readonly spans: readonly LogSpan[];
  /** Ends it for `reason`: policies have changed. Where bytes flow already, the application sees a reset. */
  deny(reason: ConnectionError): void;
}
