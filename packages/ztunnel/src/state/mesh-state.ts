import type { PodInfo } from '../data-plane/protocol.ts';
import { bestService } from './best-service.ts';
import { addressKey, MeshTables, podKey } from './mesh-tables.ts';
import type { Service } from './service.ts';
import { TwoSided } from './two-sided.ts';
import type { Endpoint, GatewayAddress, Workload } from './workload.ts';

/** What one address stands for. */
export type Destination =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: Service };

const POD_UID = /\/\/Pod\//;

/**
 * Everything a data thread knows of the mesh, indexed the way connections ask for it (spec ztunnel.md §6.2, §6.3).
 * Endpoints live beside the services: they may arrive before their service does, and stay when it is replaced.
 */
export class MeshState {
  readonly #sides = new TwoSided(() => new MeshTables());

  /** For changes that are to be seen together, later. */
  get sides(): TwoSided<MeshTables> {
    return this.#sides;
  }

  /** Adds a workload or replaces it together with its endpoints. */
  putWorkload(workload: Workload, endpoints: readonly Endpoint[]): void {
    this.#sides.write((tables) => tables.putWorkload(workload, endpoints));
  }

  removeWorkload(uid: string): void {
    this.#sides.write((tables) => tables.removeWorkload(uid));
  }

  putService(service: Service): void {
    this.#sides.write((tables) => tables.putService(service));
  }

  removeService(key: string): void {
    this.#sides.write((tables) => tables.removeService(key));
  }

  workloadByUid(uid: string): Workload | undefined {
    return this.#tables.workloads.get(uid);
  }

  /** The workload of an enrolled pod: by names, never by address. Several of one name: a pod's record first. */
  workloadOfPod(pod: PodInfo): Workload | undefined {
    return preferred(this.#tables.byPod.get(podKey(pod)));
  }

  workloadByAddress(network: string, ip: string): Workload | undefined {
    return preferred(this.#tables.byAddress.get(addressKey(network, ip)));
  }

  workloadByHostname(namespace: string, hostname: string): Workload | undefined {
    for (const workload of this.#tables.workloads.values())
      if (workload.hostname === hostname && workload.namespace === namespace) return workload;
    return undefined;
  }

  serviceByKey(key: string): Service | undefined {
    return this.#tables.services.get(key);
  }

  /** All services of a hostname, one per namespace. */
  servicesByHostname(hostname: string): readonly Service[] {
    return this.#tables.byHostname.get(hostname) ?? [];
  }

  /** The service that owns a virtual address, as a client in `namespace` sees it. */
  serviceByVip(network: string, ip: string, namespace: string): Service | undefined {
    return bestService(this.#tables.byVip.get(addressKey(network, ip)) ?? [], namespace);
  }

  /** Endpoints that may be used: unhealthy ones only where the service's health policy admits them. */
  *endpointsOf(key: string): Iterable<Endpoint> {
    const all = this.#tables.services.get(key)?.loadBalancing?.healthPolicy === 'AllowAll';
    for (const endpoint of this.#tables.endpoints.get(key)?.values() ?? []) if (all || endpoint.healthy) yield endpoint;
  }

  endpoint(key: string, workloadUid: string): Endpoint | undefined {
    return this.#tables.endpoints.get(key)?.get(workloadUid);
  }

  /** Endpoints that a workload is of any service. */
  endpointsOfWorkload(uid: string): readonly Endpoint[] {
    return this.#tables.endpointsOfWorkload.get(uid) ?? [];
  }

  /** "find address": who owns it as a workload, else as a virtual address. */
  findAddress(network: string, ip: string, namespace: string): Destination | undefined {
    const workload = this.workloadByAddress(network, ip);
    if (workload !== undefined) return { kind: 'workload', workload };
    const service = this.serviceByVip(network, ip, namespace);
    return service === undefined ? undefined : { kind: 'service', service };
  }

  /** "find upstream": the same with the virtual address first. */
  findUpstream(network: string, ip: string, namespace: string): Destination | undefined {
    const service = this.serviceByVip(network, ip, namespace);
    if (service !== undefined) return { kind: 'service', service };
    const workload = this.workloadByAddress(network, ip);
    return workload === undefined ? undefined : { kind: 'workload', workload };
  }

  /** What a waypoint or gateway reference points at. */
  findGateway(gateway: GatewayAddress, namespace: string): Destination | undefined {
    const { destination } = gateway;
    if (destination.kind === 'address') return this.findUpstream(destination.network, destination.ip, namespace);
    const service = this.#tables.services.get(`${destination.namespace}/${destination.hostname}`);
    if (service !== undefined) return { kind: 'service', service };
    const workload = this.workloadByHostname(destination.namespace, destination.hostname);
    return workload === undefined ? undefined : { kind: 'workload', workload };
  }

  get #tables(): MeshTables {
    return this.#sides.current;
  }
}

/** Several workloads on one key: a pod's record wins over others, then one that speaks HBONE. */
function preferred(candidates: readonly Workload[] | undefined): Workload | undefined {
  if (candidates === undefined || candidates.length < 2) return candidates?.[0];
  return candidates.reduce((best, next) => (rank(next) > rank(best) ? next : best));
}

function rank(workload: Workload): number {
  return (POD_UID.test(workload.uid) ? 2 : 0) + (workload.protocol === 'HBONE' ? 1 : 0);
}
