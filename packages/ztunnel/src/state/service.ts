import type { GatewayAddress } from './workload.ts';

export interface NetworkAddress {
  readonly network: string;
  readonly ip: string;
}

export type LoadBalancingScope = 'Region' | 'Zone' | 'Subzone' | 'Node' | 'Cluster' | 'Network';

export interface LoadBalancing {
  readonly mode: 'Standard' | 'Strict' | 'Failover' | 'Passthrough';
  readonly preferences: readonly LoadBalancingScope[];
  readonly healthPolicy: 'OnlyHealthy' | 'AllowAll';
}

/** A service as discovery tells it (spec ztunnel.md §6.1). Plain data: it crosses threads. */
export interface Service {
  readonly name: string;
  readonly namespace: string;
  readonly hostname: string;
  readonly vips: readonly NetworkAddress[];
  /** Service port -> target port; 0: named, the endpoint tells it. */
  readonly ports: ReadonlyMap<number, number>;
  readonly subjectAltNames: readonly string[];
  readonly waypoint: GatewayAddress | undefined;
  readonly loadBalancing: LoadBalancing | undefined;
  readonly ipFamilies: 'IPv4' | 'IPv6' | 'Dual' | undefined;
  readonly canonical: boolean;
  readonly visibility: 'Public' | 'Namespace';
}

/** `namespace/hostname`, the key of a service. */
export function serviceKey(service: { readonly namespace: string; readonly hostname: string }): string {
  return `${service.namespace}/${service.hostname}`;
}
