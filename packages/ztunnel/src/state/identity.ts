import { renderSpiffeId, type SpiffeId } from '@ambientmesh/spiffe';
import type { Workload } from './workload.ts';

/** The identity a workload's certificate carries. */
export function identityOf(workload: Workload): SpiffeId {
  return {
    trustDomain: workload.trustDomain,
    namespace: workload.namespace,
    serviceAccount: workload.serviceAccount,
  };
}

export function identityText(workload: Workload): string {
  return renderSpiffeId(identityOf(workload));
}
