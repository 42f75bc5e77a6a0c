import type { Service } from './service.ts';
import type { Endpoint, Workload } from './workload.ts';

/** Records for tests: everything that a case does not name is as harmless as can be. */
export function workload(over: Partial<Workload> & { readonly name: string }): Workload {
  return {
    uid: `cluster1//v1/Pod/default/${over.name}`,
    namespace: 'default',
    serviceAccount: 'default',
    trustDomain: 'cluster.local',
    ips: [],
    hostname: '',
    protocol: 'HBONE',
    network: '',
    hostNetwork: false,
    node: '',
    clusterId: 'Kubernetes',
    canonicalName: '',
    canonicalRevision: '',
    workloadName: '',
    workloadType: 'deployment',
    nativeTunnel: false,
    applicationTunnel: undefined,
    waypoint: undefined,
    networkGateway: undefined,
    authorizationPolicies: [],
    healthy: true,
    locality: { region: '', zone: '', subzone: '' },
    capacity: 1,
    ...over,
  };
}

export function service(over: Partial<Service> & { readonly name: string }): Service {
  return {
    namespace: 'default',
    hostname: `${over.name}.default.svc.cluster.local`,
    vips: [],
    ports: new Map([[80, 8080]]),
    subjectAltNames: [],
    waypoint: undefined,
    loadBalancing: undefined,
    ipFamilies: undefined,
    canonical: false,
    visibility: 'Public',
    ...over,
  };
}

export function endpoint(
  of: Workload,
  serviceName: string,
  ports: readonly (readonly [number, number])[] = [],
  healthy = true,
): Endpoint {
  const key = `default/${serviceName}.default.svc.cluster.local`;
  return { workloadUid: of.uid, service: key, ports: new Map(ports), healthy };
}
