import type { PodInfo } from '../data-plane/protocol.ts';
import { type Service, serviceKey } from './service.ts';
import type { Endpoint, Workload } from './workload.ts';

/**
 * The indexes of what is known of the mesh. Endpoints live beside the services: they may arrive before their service does,
 * and stay when it is replaced.
 */
export class MeshTables {
  /** By uid. */
  readonly workloads = new Map<string, Workload>();
  /** `network/ip` -> workloads that own it, host-network ones excepted. */
  readonly byAddress = new Map<string, Workload[]>();
  /** `namespace/name/account` -> workloads, for the pods of this node. */
  readonly byPod = new Map<string, Workload[]>();
  /** By key. */
  readonly services = new Map<string, Service>();
  readonly byHostname = new Map<string, Service[]>();
  readonly byVip = new Map<string, Service[]>();
  /** Service key -> workload uid -> endpoint. */
  readonly endpoints = new Map<string, Map<string, Endpoint>>();
  readonly endpointsOfWorkload = new Map<string, readonly Endpoint[]>();

  /** Adds a workload or replaces it together with its endpoints. */
  putWorkload(workload: Workload, endpoints: readonly Endpoint[]): void {
    this.removeWorkload(workload.uid);
    this.workloads.set(workload.uid, workload);
    if (!workload.hostNetwork)
      for (const ip of workload.ips) add(this.byAddress, addressKey(workload.network, ip), workload);
    add(this.byPod, podKey(workload), workload);
    this.endpointsOfWorkload.set(workload.uid, endpoints);
    for (const endpoint of endpoints) {
      let ofService = this.endpoints.get(endpoint.service);
      if (ofService === undefined) this.endpoints.set(endpoint.service, (ofService = new Map()));
      ofService.set(workload.uid, endpoint);
    }
  }

  removeWorkload(uid: string): void {
    const old = this.workloads.get(uid);
    if (old === undefined) return;
    this.workloads.delete(uid);
    for (const ip of old.ips) drop(this.byAddress, addressKey(old.network, ip), old);
    drop(this.byPod, podKey(old), old);
    for (const endpoint of this.endpointsOfWorkload.get(uid) ?? []) {
      const ofService = this.endpoints.get(endpoint.service);
      ofService?.delete(uid);
      if (ofService?.size === 0) this.endpoints.delete(endpoint.service);
    }
    this.endpointsOfWorkload.delete(uid);
  }

  putService(service: Service): void {
    this.removeService(serviceKey(service));
    this.services.set(serviceKey(service), service);
    add(this.byHostname, service.hostname, service);
    for (const vip of service.vips) add(this.byVip, addressKey(vip.network, vip.ip), service);
  }

  removeService(key: string): void {
    const old = this.services.get(key);
    if (old === undefined) return;
    this.services.delete(key);
    drop(this.byHostname, old.hostname, old);
    for (const vip of old.vips) drop(this.byVip, addressKey(vip.network, vip.ip), old);
  }
}

/** An address in a network as one text. */
export function addressKey(network: string, ip: string): string {
  return `${network}/${ip}`;
}

/** A pod's names as one text. */
export function podKey(pod: PodInfo): string {
  return `${pod.namespace}/${pod.name}/${pod.serviceAccount}`;
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
