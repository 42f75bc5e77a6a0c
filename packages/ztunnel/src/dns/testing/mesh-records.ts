import type { Service } from '../../state/service.ts';
import type { Workload } from '../../state/workload.ts';

/** A workload for tests: `a` in `default`, with what `values` says. */
export function makeWorkload(values: Partial<Workload> = {}): Workload {
  return {
    uid: 'Kubernetes//Pod/default/a',
    name: 'a',
    namespace: 'default',
    serviceAccount: 'default',
    trustDomain: 'cluster.local',
    ips: ['10.0.0.1'],
    hostname: '',
    protocol: 'HBONE',
    network: '',
    hostNetwork: false,
    node: 'n1',
    clusterId: 'Kubernetes',
    canonicalName: 'app-a',
    canonicalRevision: 'v1',
    workloadName: 'deploy-a',
    workloadType: 'deployment',
    nativeTunnel: false,
    applicationTunnel: undefined,
    waypoint: undefined,
    networkGateway: undefined,
    authorizationPolicies: [],
    healthy: true,
    locality: { region: '', zone: '', subzone: '' },
    capacity: 1,
    ...values,
  };
}

/** A service for tests, without addresses unless `values` has some. */
export function makeService(values: Partial<Service> = {}): Service {
  return {
    name: 'web',
    namespace: 'default',
    hostname: 'web.default.svc.cluster.local',
    vips: [],
    ports: new Map([[80, 8080]]),
    subjectAltNames: [],
    waypoint: undefined,
    loadBalancing: undefined,
    ipFamilies: undefined,
    canonical: false,
    visibility: 'Public',
    ...values,
  };
}
