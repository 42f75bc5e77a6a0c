import { identityText } from '../state/identity.ts';
import type { Workload } from '../state/workload.ts';

/** One end of a connection as logs and metrics name it; empty text means unknown (spec ztunnel.md §10, §11). */
export interface Peer {
  /** Log: pod name, else canonical name. */
  readonly name: string;
  readonly namespace: string;
  readonly cluster: string;
  /** Metrics: name of the controller. */
  readonly workload: string;
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  readonly app: string;
  readonly region: string;
  readonly zone: string;
}

/** Made once for a workload, whose record never changes. */
const peers = new WeakMap<Workload, Peer>();

/** The same object for the same record. */
export function peerOf(workload: Workload): Peer {
  let peer = peers.get(workload);
  if (peer === undefined) peers.set(workload, (peer = createPeer(workload)));
  return peer;
}

function createPeer(workload: Workload): Peer {
  return {
    name: workload.name === '' ? workload.canonicalName : workload.name,
    namespace: workload.namespace,
    cluster: workload.clusterId,
    workload: workload.workloadName,
    canonicalService: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    app: workload.canonicalName,
    region: workload.locality.region,
    zone: workload.locality.zone,
  };
}

/** The workload's identity for metrics, where it stands even when the connection is not encrypted. */
export function principalOf(workload: Workload | undefined): string {
  return workload === undefined ? '' : identityText(workload);
}
