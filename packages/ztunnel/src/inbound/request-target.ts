import { parseAuthority } from '../address.ts';
import type { DataPlaneContext } from '../data-plane/context.ts';
import { isProxyPort, RECURSIVE_CALL } from '../data-plane/proxy-ports.ts';
import { bestService } from '../state/best-service.ts';
import type { MeshState } from '../state/mesh-state.ts';
import { type Service, serviceKey } from '../state/service.ts';
import type { GatewayAddress, Workload } from '../state/workload.ts';

/** A port of this pod that a CONNECT leads to. */
export interface FoundTarget {
  readonly port: number;
  readonly service: Service | undefined;
  readonly loopback: boolean;
  readonly proxyHeader: boolean;
}

/** Where a CONNECT leads, or an answer with a status and the text of the log. */
export type RequestTarget = FoundTarget | { readonly status: 400 | 503; readonly message: string };

/** Checks a CONNECT against the pod it came to, and finds the port (spec hbone.md §4, steps 2, 4 and 5; §4.1, §4.2). */
export function resolveTarget(
  context: DataPlaneContext,
  workload: Workload,
  localIp: string,
  authority: string,
): RequestTarget {
  const parsed = parseAuthority(authority);
  if (parsed === undefined) return { status: 400, message: `no valid authority pseudo header: ${authority}` };
  if (parsed.isAddress) {
    if (!isForUs(context, workload, localIp, parsed.host))
      return { status: 400, message: `ip mismatch: ${localIp} != ${parsed.host}` };
    return withTunnel(context, workload, parsed.port, undefined);
  }
  const service = bestService(context.state.servicesByHostname(parsed.host), workload.namespace);
  if (service === undefined) return { status: 503, message: `no service or workload for hostname: ${parsed.host}` };
  const port = portOfService(context.state, service, workload, parsed.port);
  if (port === undefined)
    return {
      status: 503,
      message: `requested service ${parsed.host}:${parsed.port} found, but cannot resolve port`,
    };
  return withTunnel(context, workload, port, service);
}

function withTunnel(
  context: DataPlaneContext,
  workload: Workload,
  port: number,
  service: Service | undefined,
): RequestTarget {
  if (isProxyPort(context.config, port)) return { status: 503, message: RECURSIVE_CALL };
  const tunnel = workload.applicationTunnel;
  const proxyHeader = tunnel?.protocol === 'PROXY';
  return { port: tunnel?.port ?? port, service, loopback: proxyHeader, proxyHeader };
}

function portOfService(state: MeshState, service: Service, workload: Workload, port: number): number | undefined {
  const mapped = state.endpoint(serviceKey(service), workload.uid)?.ports.get(port) ?? 0;
  if (mapped > 0) return mapped;
  const target = service.ports.get(port) ?? 0;
  return target > 0 ? target : undefined;
}

/** The pod's own address; anything for a pod with an application tunnel; or an address whose waypoint this pod is. */
function isForUs(context: DataPlaneContext, workload: Workload, localIp: string, ip: string): boolean {
  if (ip === localIp || workload.applicationTunnel !== undefined) return true;
  const { state, config } = context;
  const found = state.findAddress(config.network, ip, workload.namespace);
  const waypoint = found?.kind === 'service' ? found.service.waypoint : found?.workload.waypoint;
  return waypoint !== undefined && isWaypoint(state, waypoint, workload, localIp);
}

function isWaypoint(state: MeshState, waypoint: GatewayAddress, workload: Workload, localIp: string): boolean {
  const found = state.findGateway(waypoint, workload.namespace);
  if (found === undefined) return false;
  if (found.kind === 'workload') return found.workload.ips.includes(localIp);
  return state.endpoint(serviceKey(found.service), workload.uid) !== undefined;
}
