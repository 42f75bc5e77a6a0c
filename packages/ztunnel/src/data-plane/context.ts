import type { Engine } from '@ambientmesh/hbone';
import type { Denials } from '../inbound/denials.ts';
import type { UpstreamSelector } from '../outbound/upstream.ts';
import type { MeshPolicies } from '../state/mesh-policies.ts';
import type { MeshState } from '../state/mesh-state.ts';
import type { AccessLog } from '../telemetry/access-log.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { ThreadLog } from '../telemetry/thread-log.ts';
import type { Accepting } from './accepting.ts';
import type { ThreadCertificates } from './certificates.ts';
import type { DialQueue } from './dial-queue.ts';
import type { LocalWorkloads } from './local-workloads.ts';
import type { NameLookups } from './name-lookups.ts';
import type { DataPlaneConfig } from './protocol.ts';
import type { Rechecks } from './rechecks.ts';
import type { RefusedClients } from './refused-clients.ts';
import type { Revocations } from './revocations.ts';
import type { TrustedPeers } from './trusted-peers.ts';

/** Accepted sockets being served now, by reporter; those of refused clients that are held, too. */
export interface SocketGauge {
  source: number;
  destination: number;
}

/** What all connections of a data thread share. */
export interface DataPlaneContext {
  readonly config: DataPlaneConfig;
  readonly engine: Engine;
  readonly state: MeshState;
  readonly policies: MeshPolicies;
  readonly denials: Denials;
  readonly localWorkloads: LocalWorkloads;
  readonly certificates: ThreadCertificates;
  readonly revocations: Revocations;
  readonly trustedPeers: TrustedPeers;
  readonly rechecks: Rechecks;
  readonly selector: UpstreamSelector;
  readonly counters: Counters;
  readonly accessLog: AccessLog;
  readonly log: ThreadLog;
  readonly sockets: SocketGauge;
  readonly refusedClients: RefusedClients;
  readonly lookups: NameLookups;
  readonly accepting: Accepting;
  readonly dials: DialQueue;
}
