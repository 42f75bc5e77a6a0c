import { type Connection, decide } from '@ambientmesh/policy';
import type { DataPlaneContext } from '../data-plane/context.ts';
import type { Workload } from '../state/workload.ts';
import type { ConnectionError } from '../telemetry/connection-record.ts';

/** Why a connection to `workload` may not pass, or undefined. A policy it names that has not arrived denies. */
export function authorize(
  context: DataPlaneContext,
  workload: Workload,
  connection: Connection,
): ConnectionError | undefined {
  const { policies, missing } = context.policies.select(workload.namespace, workload.authorizationPolicies);
  if (missing.length > 0) return rejection(`policy ${missing.join(', ')} has not arrived yet`);
  const verdict = decide(policies, connection);
  return verdict.allowed ? undefined : rejection(verdict.reason);
}

function rejection(reason: string): ConnectionError {
  return { message: `connection closed due to policy rejection: ${reason}`, flag: 'DENY' };
}
