import type { LoadBalancing, Service } from '../../state/service.ts';
import { readGateway, readNetworkAddress, readPortMap } from './addresses.ts';
import type { YamlPlace } from './yaml-place.ts';

const serviceKeys = [
  'name',
  'namespace',
  'hostname',
  'vips',
  'cidrVips',
  'ports',
  'endpoints',
  'subjectAltNames',
  'waypoint',
  'weightedWaypoints',
  'loadBalancer',
  'ipFamilies',
  'canonical',
  'visibility',
];
/** Keys of the format that would change where traffic goes and that this version cannot follow. */
const unsupportedKeys = ['cidrVips', 'weightedWaypoints'];

/** Reads an entry of `services` (spec ztunnel.md §3.3). `endpoints` is the form of the dump and is not read. */
export function readService(place: YamlPlace): Service {
  const fields = place.fields(serviceKeys, 'refuse and list');
  for (const key of unsupportedKeys)
    fields.optional(key, (value) => {
      if (value.items().length > 0) value.fail(`\`${key}\` is not supported by this version`);
    });
  return {
    name: fields.required('name').text(),
    namespace: fields.required('namespace').text(),
    hostname: fields.required('hostname').text(),
    vips: fields.required('vips').items().map(readNetworkAddress),
    ports: readPortMap(fields.required('ports')),
    subjectAltNames: fields.list('subjectAltNames', (value) => value.text()),
    waypoint: fields.optional('waypoint', readGateway),
    loadBalancing: fields.optional('loadBalancer', readLoadBalancing),
    ipFamilies: fields.optional('ipFamilies', (value) => value.variant(['Dual', 'IPv4', 'IPv6'])),
    canonical: fields.boolean('canonical'),
    visibility: fields.optional('visibility', (value) => value.variant(['Public', 'Namespace'])) ?? 'Public',
  };
}

function readLoadBalancing(place: YamlPlace): LoadBalancing {
  const fields = place.fields(['routingPreferences', 'mode', 'healthPolicy']);
  return {
    preferences: fields.list('routingPreferences', (value) =>
      value.variant(['Region', 'Zone', 'Subzone', 'Node', 'Cluster', 'Network']),
    ),
    mode:
      fields.optional('mode', (value) => value.variant(['Standard', 'Strict', 'Passthrough', 'Failover'])) ??
      'Standard',
    healthPolicy:
      fields.optional('healthPolicy', (value) => value.variant(['OnlyHealthy', 'AllowAll'])) ?? 'OnlyHealthy',
  };
}
