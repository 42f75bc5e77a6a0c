import type { AddressRange, Match, Policy, StringMatch } from '@ambientmesh/policy';
import type { Service } from '../state/service.ts';
import type { Endpoint, GatewayAddress, Workload } from '../state/workload.ts';
import type { MeshSnapshot } from './local-config/mesh-snapshot.ts';
import type { LocalWorkload } from './local-config/read-workload.ts';

/** The sections of `/config_dump` about the mesh (spec ztunnel.md §13), in the order of keys. */
export function describeMesh({ workloads, services, policies }: MeshSnapshot): Record<string, unknown> {
  const endpoints = endpointsByService(workloads.values());
  const staged = [...endpoints].filter(([key]) => !services.has(key));
  return {
    policies: inOrder(policies).map(([, policy]) => describePolicy(policy)),
    services: inOrder(services).map(([key, service]) => describeService(service, endpoints.get(key) ?? [])),
    stagedServices: Object.fromEntries(staged.map(([key, ofService]) => [key, describeEndpoints(ofService)])),
    workloads: inOrder(workloads).map(([, { workload }]) => describeWorkload(workload)),
  };
}

/** The same in the form and order of the local file: there the workloads have the endpoints. */
export function describeStaticConfig({ workloads, services, policies }: MeshSnapshot): Record<string, unknown> {
  return {
    policies: [...policies.values()].map(describePolicy),
    services: [...services.values()].map((service) => describeService(service, [])),
    workloads: [...workloads.values()].map(({ workload, endpoints }) => ({
      ...describeWorkload(workload),
      services: Object.fromEntries(endpoints.map(({ service, ports }) => [service, Object.fromEntries(ports)])),
    })),
  };
}

/** A policy in the form of spec policy.md §6. */
export function describePolicy({ name, namespace, scope, action, dryRun, rules }: Policy): Record<string, unknown> {
  const described = rules.map((rule) => rule.map((clause) => clause.map(describeMatch)));
  return { name, namespace, scope, action, dryRun, rules: described };
}

function describeMatch(match: Match): unknown {
  return withoutEmpty({
    namespaces: match.namespaces?.map(describeText),
    notNamespaces: match.notNamespaces?.map(describeText),
    principals: match.principals?.map(describeText),
    notPrincipals: match.notPrincipals?.map(describeText),
    sourceIps: match.sourceIps?.map(describeRange),
    notSourceIps: match.notSourceIps?.map(describeRange),
    destinationIps: match.destinationIps?.map(describeRange),
    notDestinationIps: match.notDestinationIps?.map(describeRange),
    destinationPorts: match.destinationPorts,
    notDestinationPorts: match.notDestinationPorts,
    serviceAccounts: match.serviceAccounts,
    notServiceAccounts: match.notServiceAccounts,
  });
}

function describeText(match: StringMatch): unknown {
  switch (match.kind) {
    case 'exact':
      return { Exact: match.value };
    case 'prefix':
      return { Prefix: match.value };
    case 'suffix':
      return { Suffix: match.value };
    case 'presence':
      return { Presence: [] };
  }
}

function describeRange({ address, length }: AddressRange): string {
  return `${address}/${length}`;
}

function describeWorkload(workload: Workload): Record<string, unknown> {
  const { applicationTunnel, locality } = workload;
  return {
    workloadIps: workload.ips,
    protocol: workload.protocol,
    networkMode: workload.hostNetwork ? 'HostNetwork' : 'Standard',
    name: workload.name,
    namespace: workload.namespace,
    status: workload.healthy ? 'Healthy' : 'Unhealthy',
    clusterId: workload.clusterId,
    capacity: workload.capacity,
    ...withoutEmpty({
      uid: workload.uid,
      trustDomain: workload.trustDomain,
      serviceAccount: workload.serviceAccount,
      network: workload.network,
      workloadName: workload.workloadName,
      workloadType: workload.workloadType,
      canonicalName: workload.canonicalName,
      canonicalRevision: workload.canonicalRevision,
      hostname: workload.hostname,
      node: workload.node,
      nativeTunnel: workload.nativeTunnel,
      applicationTunnel: applicationTunnel && { ...applicationTunnel, port: applicationTunnel.port ?? null },
      waypoint: describeGateway(workload.waypoint),
      networkGateway: describeGateway(workload.networkGateway),
      authorizationPolicies: workload.authorizationPolicies,
      locality: Object.values(locality).every((part) => part === '') ? undefined : locality,
    }),
  };
}

function describeGateway(gateway: GatewayAddress | undefined): unknown {
  if (gateway === undefined) return undefined;
  const { destination, hbonePort } = gateway;
  const text =
    destination.kind === 'address'
      ? `${destination.network}/${destination.ip}`
      : `${destination.namespace}/${destination.hostname}`;
  return { destination: text, hboneMtlsPort: hbonePort };
}

function describeService(service: Service, endpoints: readonly Endpoint[]): Record<string, unknown> {
  const { name, namespace, hostname, subjectAltNames, canonical, visibility, loadBalancing } = service;
  const all = loadBalancing?.healthPolicy === 'AllowAll';
  return {
    name,
    namespace,
    hostname,
    vips: service.vips.map(({ network, ip }) => `${network}/${ip}`),
    ports: Object.fromEntries(service.ports),
    endpoints: describeEndpoints(endpoints.filter(({ healthy }) => all || healthy)),
    subjectAltNames,
    canonical,
    visibility,
    ...withoutEmpty({
      waypoint: describeGateway(service.waypoint),
      loadBalancer: loadBalancing && {
        mode: loadBalancing.mode,
        healthPolicy: loadBalancing.healthPolicy,
        routingPreferences: loadBalancing.preferences,
      },
      ipFamilies: service.ipFamilies,
    }),
  };
}

function describeEndpoints(endpoints: readonly Endpoint[]): unknown {
  return Object.fromEntries(
    endpoints.map(({ workloadUid, ports, healthy }) => [
      workloadUid,
      { workloadUid, port: Object.fromEntries(ports), status: healthy ? 'Healthy' : 'Unhealthy' },
    ]),
  );
}

function endpointsByService(workloads: Iterable<LocalWorkload>): Map<string, Endpoint[]> {
  const byService = new Map<string, Endpoint[]>();
  for (const { endpoints } of workloads)
    for (const endpoint of endpoints) {
      const ofService = byService.get(endpoint.service);
      if (ofService === undefined) byService.set(endpoint.service, [endpoint]);
      else ofService.push(endpoint);
    }
  return byService;
}

function inOrder<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** The members that are neither absent nor empty nor false: the defaults, which the reference leaves out. */
function withoutEmpty(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(members).filter(
      ([, value]) =>
        value !== undefined && value !== '' && value !== false && !(Array.isArray(value) && value.length === 0),
    ),
  );
}
