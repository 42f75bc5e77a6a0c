/** How traffic reaches a workload: through a tunnel on port 15008, or as it is. */
export type WorkloadProtocol = 'HBONE' | 'TCP';

/** Where a waypoint or a network gateway is found. */
export interface GatewayAddress {
  readonly destination:
    | { readonly kind: 'address'; readonly network: string; readonly ip: string }
    | { readonly kind: 'hostname'; readonly namespace: string; readonly hostname: string };
  readonly hbonePort: number;
}

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

/** A workload as discovery tells it (spec ztunnel.md §6.1); empty text means absent. Plain data: it crosses threads. */
export interface Workload {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** May be empty in local files, where absent means empty. */
  readonly trustDomain: string;
  /** Canonical textual addresses. */
  readonly ips: readonly string[];
  readonly hostname: string;
  readonly protocol: WorkloadProtocol;
  readonly network: string;
  readonly hostNetwork: boolean;
  readonly node: string;
  readonly clusterId: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  /** Name of the controller (`deploy-a`); `workloadType` is its kind in lower case. */
  readonly workloadName: string;
  readonly workloadType: 'deployment' | 'cronjob' | 'pod' | 'job';
  readonly nativeTunnel: boolean;
  readonly applicationTunnel: { readonly protocol: 'NONE' | 'PROXY'; readonly port: number | undefined } | undefined;
  readonly waypoint: GatewayAddress | undefined;
  readonly networkGateway: GatewayAddress | undefined;
  readonly authorizationPolicies: readonly string[];
  readonly healthy: boolean;
  readonly locality: Locality;
  readonly capacity: number;
}

/** Part of a service's endpoints: which workload, and its port for each service port. */
export interface Endpoint {
  readonly workloadUid: string;
  /** `namespace/hostname` of the service. */
  readonly service: string;
  /** Service port -> target port; 0 or absent: see the service's own ports. */
  readonly ports: ReadonlyMap<number, number>;
  readonly healthy: boolean;
}
