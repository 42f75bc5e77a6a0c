import type { PodInfo } from '../data-plane/protocol.ts';
import { bestService } from './best-service.ts';
import { type Service, serviceKey } from './service.ts';
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
  readonly #workloads = new Map<string, Workload>();
  /** `network/ip` -> workloads that own it, host-network ones excepted. */
  readonly #byAddress = new Map<string, Workload[]>();
  /** `namespace/name/account` -> workloads, for the pods of this node. */
  readonly #byPod = new Map<string, Workload[]>();
  readonly #services = new Map<string, Service>();
  readonly #byHostname = new Map<string, Service[]>();
  readonly #byVip = new Map<string, Service[]>();
  /** Service key -> workload uid -> endpoint. */
  readonly #endpoints = new Map<string, Map<string, Endpoint>>();
  readonly #endpointsOfWorkload = new Map<string, readonly Endpoint[]>();

  /** Adds a workload or replaces it together with its endpoints. */
  putWorkload(workload: Workload, endpoints: readonly Endpoint[]): void {
    this.removeWorkload(workload.uid);
    this.#workloads.set(workload.uid, workload);
    if (!workload.hostNetwork)
      for (const ip of workload.ips) add(this.#byAddress, addressKey(workload.network, ip), workload);
    add(this.#byPod, podKey(workload), workload);
    this.#endpointsOfWorkload.set(workload.uid, endpoints);
    for (const endpoint of endpoints) {
      let ofService = this.#endpoints.get(endpoint.service);
      if (ofService === undefined) this.#endpoints.set(endpoint.service, (ofService = new Map()));
      ofService.set(workload.uid, endpoint);
    }
  }

  removeWorkload(uid: string): void {
    const old = this.#workloads.get(uid);
    if (old === undefined) return;
    this.#workloads.delete(uid);
    for (const ip of old.ips) drop(this.#byAddress, addressKey(old.network, ip), old);
    drop(this.#byPod, podKey(old), old);
    for (const endpoint of this.#endpointsOfWorkload.get(uid) ?? []) {
      const ofService = this.#endpoints.get(endpoint.service);
      ofService?.delete(uid);
      if (ofService?.size === 0) this.#endpoints.delete(endpoint.service);
    }
    this.#endpointsOfWorkload.delete(uid);
  }

  putService(service: Service): void {
    this.removeService(serviceKey(service));
    this.#services.set(serviceKey(service), service);
    add(this.#byHostname, service.hostname, service);
    for (const vip of service.vips) add(this.#byVip, addressKey(vip.network, vip.ip), service);
  }

  removeService(key: string): void {
    const old = this.#services.get(key);
    if (old === undefined) return;
    this.#services.delete(key);
    drop(this.#byHostname, old.hostname, old);
    for (const vip of old.vips) drop(this.#byVip, addressKey(vip.network, vip.ip), old);
  }

  workloadByUid(uid: string): Workload | undefined {
    return this.#workloads.get(uid);
  }

  /** The workload of an enrolled pod: by names, never by address. Several of one name: a pod's record first. */
  workloadOfPod(pod: PodInfo): Workload | undefined {
    return preferred(this.#byPod.get(podKey(pod)));
  }

  workloadByAddress(network: string, ip: string): Workload | undefined {
    return preferred(this.#byAddress.get(addressKey(network, ip)));
  }

  workloadByHostname(namespace: string, hostname: string): Workload | undefined {
    for (const workload of this.#workloads.values())
      if (workload.hostname === hostname && workload.namespace === namespace) return workload;
    return undefined;
  }

  serviceByKey(key: string): Service | undefined {
    return this.#services.get(key);
  }

  /** All services of a hostname, one per namespace. */
  servicesByHostname(hostname: string): readonly Service[] {
    return this.#byHostname.get(hostname) ?? [];
  }

  /** The service that owns a virtual address, as a client in `namespace` sees it. */
  serviceByVip(network: string, ip: string, namespace: string): Service | undefined {
    return bestService(this.#byVip.get(addressKey(network, ip)) ?? [], namespace);
  }

  /** Endpoints that may be used: unhealthy ones only where the service's health policy admits them. */
  *endpointsOf(key: string): Iterable<Endpoint> {
    const all = this.#services.get(key)?.loadBalancing?.healthPolicy === 'AllowAll';
    for (const endpoint of this.#endpoints.get(key)?.values() ?? []) if (all || endpoint.healthy) yield endpoint;
  }

  endpoint(key: string, workloadUid: string): Endpoint | undefined {
    return this.#endpoints.get(key)?.get(workloadUid);
  }

  /** Endpoints that a workload is of any service. */
  endpointsOfWorkload(uid: string): readonly Endpoint[] {
    return this.#endpointsOfWorkload.get(uid) ?? [];
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
    const service = this.#services.get(`${destination.namespace}/${destination.hostname}`);
    if (service !== undefined) return { kind: 'service', service };
    const workload = this.workloadByHostname(destination.namespace, destination.hostname);
    return workload === undefined ? undefined : { kind: 'workload', workload };
  }
}

function addressKey(network: string, ip: string): string {
  return `${network}/${ip}`;
}

/** A pod's names as one text. */
export function podKey(pod: PodInfo): string {
  return `${pod.namespace}/${pod.name}/${pod.serviceAccount}`;
}

/** Several workloads on one key: a pod's record wins over others, then one that speaks HBONE. */
function preferred(candidates: readonly Workload[] | undefined): Workload | undefined {
  if (candidates === undefined || candidates.length < 2) return candidates?.[0];
  return candidates.reduce((best, next) => (rank(next) > rank(best) ? next : best));
}

function rank(workload: Workload): number {
  return (POD_UID.test(workload.uid) ? 2 : 0) + (workload.protocol === 'HBONE' ? 1 : 0);
}

function add<V>(index: Map<string, V[]>, key: string, value: V): void {
  const held = index.get(key);
  if (held === undefined) index.set(key, [value]);
  else held.push(value);
}

function drop<V>(index: Map<string, V[]>, key: string, value: V): void {
  const held = index.get(key);
  if (held === undefined) return;
  const rest = held.filter((one) => one !== value);
  if (rest.length === 0) index.delete(key);
  else index.set(key, rest);
}
