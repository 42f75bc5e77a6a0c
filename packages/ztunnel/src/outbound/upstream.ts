import { isIPv6 } from 'node:net';
import type { SocketAddress } from '@ambientmesh/hbone';
import { parseSpiffeId, type SpiffeId } from '@ambientmesh/spiffe';
import { formatAddress } from '../address.ts';
import { identityOf } from '../state/identity.ts';
import type { Destination, MeshState } from '../state/mesh-state.ts';
import { type Service, serviceKey } from '../state/service.ts';
import type { GatewayAddress, Workload } from '../state/workload.ts';
import type { Candidate, LoadBalancer } from './load-balancer.ts';

/** Where a captured connection goes (spec ztunnel.md §7). */
export type Upstream =
  | {
      readonly kind: 'hbone';
      /** TCP destination of the tunnel. */
      readonly nextHop: SocketAddress;
      /** `:authority` of the CONNECT. */
      readonly authority: string;
      /** Identities of which the next hop must show one. */
      readonly expected: readonly SpiffeId[];
      /** Whose certificate is expected, and whose names stand in logs and metrics: the endpoint, or the waypoint. */
      readonly workload: Workload;
      readonly service: Service | undefined;
    }
  | {
      readonly kind: 'tcp';
      readonly to: SocketAddress;
      readonly workload: Workload | undefined;
      readonly service: Service | undefined;
    }
  /** No way there; `message` is the text of the log (spec ztunnel.md §11.1). */
  | { readonly kind: 'none'; readonly message: string };

export interface UpstreamQuery {
  /** The workload of the pod that connects. */
  readonly source: Workload;
  readonly clientIp: string;
  /** The original destination. */
  readonly target: SocketAddress;
}

interface Resolved {
  readonly workload: Workload;
  readonly address: SocketAddress;
  readonly service: Service | undefined;
}

/** Chooses the next hop of outbound connections. Holds nothing but the rotation of its load balancer. */
export class UpstreamSelector {
  readonly #state: MeshState;
  readonly #balancer: LoadBalancer;
  /** The proxy's own network. */
  readonly #network: string;

  constructor(state: MeshState, balancer: LoadBalancer, network: string) {
    this.#state = state;
    this.#balancer = balancer;
    this.#network = network;
  }

  select(query: UpstreamQuery): Upstream {
    const { source, target } = query;
    const addressed = this.#state.findAddress(this.#network, target.ip, source.namespace);
    const service = addressed?.kind === 'service' ? addressed.service : undefined;
    if (service?.waypoint !== undefined) return this.#throughWaypoint(service.waypoint, query, service);

    const destination = this.#state.findUpstream(source.network, target.ip, source.namespace);
    if (destination === undefined && service !== undefined && !isPassthrough(service)) return noHealthyUpstream(target);
    if (destination === undefined || (destination.kind === 'service' && isPassthrough(destination.service)))
      return { kind: 'tcp', to: target, workload: undefined, service: undefined };
    return this.#toDestination(destination, query);
  }

  #toDestination(destination: Destination, query: UpstreamQuery): Upstream {
    const { source, target } = query;
    const resolved = this.#resolve(destination, target, source, false);
    if (resolved === undefined) return noHealthyUpstream(target);
    if (resolved === 'unroutable') return unroutable(destination);
    if (resolved.workload.network !== source.network) return otherNetwork(resolved.workload);
    const { waypoint } = resolved.workload;
    if (resolved.service === undefined && waypoint !== undefined && !this.#isWaypointItself(waypoint, query))
      return this.#throughWaypoint(waypoint, query, undefined);
    return direct(resolved);
  }

  #throughWaypoint(waypoint: GatewayAddress, query: UpstreamQuery, service: Service | undefined): Upstream {
    const found = this.#state.findGateway(waypoint, query.source.namespace);
    if (found === undefined)
      return { kind: 'none', message: `unknown waypoint: waypoint ${gatewayName(waypoint)} not found` };
    const target = { ip: waypointIp(waypoint, query.target.ip), port: waypoint.hbonePort };
    const resolved = this.#resolve(found, target, query.source, true);
    if (resolved === undefined || resolved === 'unroutable')
      return { kind: 'none', message: `unknown waypoint: waypoint ${debugGateway(waypoint)} not found` };
    if (resolved.workload.network !== query.source.network) return otherNetwork(resolved.workload);
    return {
      kind: 'hbone',
      nextHop: resolved.address,
      authority: formatAddress(query.target),
      expected: expectedIdentities(resolved),
      workload: resolved.workload,
      service,
    };
  }

  /** The source is the waypoint of the upstream: its traffic goes on directly, or it would go round in circles. */
  #isWaypointItself(waypoint: GatewayAddress, query: UpstreamQuery): boolean {
    const found = this.#state.findGateway(waypoint, query.source.namespace);
    if (found === undefined) return false;
    const behind =
      found.kind === 'workload'
        ? [found.workload]
        : [...this.#state.endpointsOf(serviceKey(found.service))].map((one) =>
            this.#state.workloadByUid(one.workloadUid),
          );
    return behind.some(
      (one) =>
        one?.namespace === query.source.namespace &&
        one.serviceAccount === query.source.serviceAccount &&
        one.trustDomain === query.source.trustDomain &&
        one.ips.includes(query.clientIp),
    );
  }

  #resolve(
    destination: Destination,
    target: SocketAddress,
    source: Workload,
    waypointMode: boolean,
  ): Resolved | 'unroutable' | undefined {
    if (destination.kind === 'workload') {
      const ip = chooseIp(destination.workload, target.ip, undefined);
      if (ip === undefined) return 'unroutable';
      return { workload: destination.workload, address: { ip, port: target.port }, service: undefined };
    }
    const { service } = destination;
    const chosen = this.#balancer.pick(
      `${serviceKey(service)}:${target.port}`,
      service,
      source,
      this.#candidates(service, target.port, waypointMode),
    );
    if (chosen === undefined) return undefined;
    const port = portOf(service, chosen, target.port);
    if (port === undefined) return undefined;
    const ip = chooseIp(chosen.workload, target.ip, service);
    if (ip === undefined) return 'unroutable';
    return { workload: chosen.workload, address: { ip, port }, service };
  }

  /** Endpoints of a service that could take a connection to `port`. */
  #candidates(service: Service, port: number, waypointMode: boolean): Candidate[] {
    const targetPort = service.ports.get(port);
    const candidates: Candidate[] = [];
    if (targetPort === undefined && !waypointMode) return candidates;
    for (const endpoint of this.#state.endpointsOf(serviceKey(service))) {
      const workload = this.#state.workloadByUid(endpoint.workloadUid);
      if (workload === undefined || workload.ips.length === 0) continue;
      const mapped = (endpoint.ports.get(port) ?? 0) > 0;
      if (targetPort === undefined ? workload.applicationTunnel === undefined : targetPort === 0 && !mapped) continue;
      candidates.push({ workload, endpoint });
    }
    return candidates;
  }
}

function direct(resolved: Resolved): Upstream {
  const { workload, address, service } = resolved;
  if (workload.protocol === 'TCP') return { kind: 'tcp', to: address, workload, service };
  return {
    kind: 'hbone',
    nextHop: { ip: address.ip, port: HBONE_PORT },
    authority: formatAddress(address),
    expected: expectedIdentities(resolved),
    workload,
    service,
  };
}

/** TCP port on which every mesh endpoint takes tunnels. */
export const HBONE_PORT = 15008;

/** What the next hop's certificate must show: the service's names that are SPIFFE ids, and the workload's own. */
function expectedIdentities(resolved: Resolved): SpiffeId[] {
  const named = resolved.service?.subjectAltNames.map(parseSpiffeId).filter((id) => id !== undefined) ?? [];
  return [...named, identityOf(resolved.workload)];
}

function portOf(service: Service, chosen: Candidate, port: number): number | undefined {
  const mapped = chosen.endpoint.ports.get(port) ?? 0;
  if (mapped > 0) return mapped;
  const targetPort = service.ports.get(port) ?? 0;
  if (targetPort > 0) return targetPort;
  return chosen.workload.applicationTunnel?.port === undefined ? undefined : port;
}

/** The address to dial: the target itself if the workload owns it, else one of its family, else any the service allows. */
function chooseIp(workload: Workload, targetIp: string, service: Service | undefined): string | undefined {
  if (workload.ips.includes(targetIp)) return targetIp;
  const families = service?.ipFamilies;
  const allowed = workload.ips.filter(
    (ip) => families === undefined || families === 'Dual' || isIPv6(ip) === (families === 'IPv6'),
  );
  return allowed.find((ip) => isIPv6(ip) === isIPv6(targetIp)) ?? allowed[0];
}

/** A waypoint given by address keeps that address' family; one given by name follows the caller's. */
function waypointIp(waypoint: GatewayAddress, callerIp: string): string {
  return waypoint.destination.kind === 'address' ? waypoint.destination.ip : callerIp;
}

function gatewayName(gateway: GatewayAddress): string {
  return gateway.destination.kind === 'hostname' ? gateway.destination.hostname : debugGateway(gateway);
}

/** The reference prints its own structure here; operators search their logs for it. */
function debugGateway({ destination, hbonePort }: GatewayAddress): string {
  const inner =
    destination.kind === 'address'
      ? `Address(NetworkAddress { network: "${destination.network}", address: ${destination.ip} })`
      : `Hostname(NamespacedHostname { namespace: "${destination.namespace}", hostname: "${destination.hostname}" })`;
  return `GatewayAddress { destination: ${inner}, hbone_mtls_port: ${hbonePort} }`;
}

function isPassthrough(service: Service): boolean {
  return service.loadBalancing?.mode === 'Passthrough';
}

function noHealthyUpstream(target: SocketAddress): Upstream {
  return { kind: 'none', message: `no healthy upstream: ${formatAddress(target)}` };
}

function unroutable(destination: Destination): Upstream {
  if (destination.kind === 'service')
    return { kind: 'none', message: `no valid routing destination for workload: ${serviceKey(destination.service)}` };
  return otherNetwork(destination.workload);
}

/** Networks are crossed by double tunnels through gateways, which this proxy does not dial: nothing passes. */
function otherNetwork(workload: Workload): Upstream {
  return {
    kind: 'none',
    message: `no valid routing destination for workload: Workload{${workload.name} with uid ${workload.uid} (${workload.protocol})}`,
  };
}
