import type { Endpoint, Locality, Workload } from '../../state/workload.ts';
import { ZtunnelError } from '../errors.ts';
import { readGateway, readIp, readPort, readPortMap } from './addresses.ts';
import { showBeginning, type YamlPlace } from './yaml-place.ts';

const workloadKeys = [
  'workloadIps',
  'waypoint',
  'networkGateway',
  'protocol',
  'networkMode',
  'uid',
  'name',
  'namespace',
  'trustDomain',
  'serviceAccount',
  'network',
  'workloadName',
  'workloadType',
  'canonicalName',
  'canonicalRevision',
  'hostname',
  'node',
  'nativeTunnel',
  'applicationTunnel',
  'authorizationPolicies',
  'status',
  'clusterId',
  'locality',
  'services',
  'capacity',
];
const maxCapacity = 0xffff_ffff;

/** A workload of the file and the endpoints that it makes. */
export interface LocalWorkload {
  readonly workload: Workload;
  readonly endpoints: readonly Endpoint[];
}

/** Reads an entry of `workloads` (spec ztunnel.md §3.3). */
export function readWorkload(entry: YamlPlace): LocalWorkload {
  const place = entry.anchored();
  const fields = place.fields(workloadKeys);
  const name = fields.text('name');
  const namespace = fields.required('namespace').text();
  const clusterId = fields.text('clusterId');
  const workload: Workload = {
    uid: fields.text('uid', `${clusterId}//Pod/${namespace}/${name}`),
    name,
    namespace,
    serviceAccount: fields.text('serviceAccount', 'default'),
    trustDomain: fields.text('trustDomain'),
    ips: fields.required('workloadIps').items().map(readIp),
    hostname: fields.text('hostname'),
    protocol: fields.optional('protocol', (value) => value.variant(['TCP', 'HBONE'])) ?? 'TCP',
    network: fields.text('network'),
    hostNetwork:
      fields.optional('networkMode', (value) => value.variant(['Standard', 'HostNetwork'])) === 'HostNetwork',
    node: fields.text('node'),
    clusterId,
    canonicalName: fields.text('canonicalName'),
    canonicalRevision: fields.text('canonicalRevision'),
    workloadName: fields.text('workloadName'),
    workloadType:
      fields.optional('workloadType', (value) => value.variant(['deployment', 'cronjob', 'pod', 'job'])) ??
      'deployment',
    nativeTunnel: fields.boolean('nativeTunnel'),
    applicationTunnel: fields.optional('applicationTunnel', readApplicationTunnel),
    waypoint: fields.optional('waypoint', readGateway),
    networkGateway: fields.optional('networkGateway', readGateway),
    authorizationPolicies: fields.list('authorizationPolicies', (value) => value.text()),
    healthy: fields.optional('status', (value) => value.variant(['Healthy', 'Unhealthy'])) !== 'Unhealthy',
    locality: fields.optional('locality', readLocality) ?? { region: '', zone: '', subzone: '' },
    capacity: fields.optional('capacity', (value) => value.integer(maxCapacity)) ?? 1,
  };
  return { workload, endpoints: readEndpoints(fields.required('services'), workload) };
}

function readEndpoints(place: YamlPlace, workload: Workload): Endpoint[] {
  return place.entries().map(([service, ports]) => {
    if (!service.includes('/'))
      throw new ZtunnelError(
        'ZTUNNEL_LOCAL_CONFIG_INVALID',
        `failed to parse namespaced hostname: ${showBeginning(service)}`,
      );
    return { workloadUid: workload.uid, service, ports: readPortMap(ports), healthy: workload.healthy };
  });
}

function readApplicationTunnel(place: YamlPlace): NonNullable<Workload['applicationTunnel']> {
  const fields = place.fields(['protocol', 'port']);
  return {
    protocol: fields.optional('protocol', (value) => value.variant(['NONE', 'PROXY'])) ?? 'NONE',
    port: fields.optional('port', readPort),
  };
}

function readLocality(place: YamlPlace): Locality {
  const fields = place.fields(['region', 'zone', 'subzone']);
  return { region: fields.text('region'), zone: fields.text('zone'), subzone: fields.text('subzone') };
}
