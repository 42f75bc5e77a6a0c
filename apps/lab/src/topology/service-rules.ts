import { isIPv6 } from 'node:net';
import { namespaceOf, type PodSpec, type ServiceSpec, type Topology } from './topology.ts';

/** `iptables-restore` input for a node, per family; empty text where there is nothing to do. */
export interface ServiceRules {
  readonly v4: string;
  readonly v6: string;
}

/**
 * What kube-proxy does on a node, for pods outside of the mesh: connections to a service's virtual address go to its
 * endpoints in turn. A pod that reaches itself through its service is masqueraded, or its reply would not come back.
 */
export function renderServiceRules(topology: Topology): ServiceRules {
  return { v4: renderFamily(topology, false), v6: renderFamily(topology, true) };
}

interface Destination {
  readonly chain: string;
  readonly service: ServiceSpec;
  readonly vip: string;
  readonly port: string;
  readonly endpoints: readonly string[];
  readonly targetPort: number;
}

function renderFamily(topology: Topology, v6: boolean): string {
  const destinations = topology.services.flatMap((service, index) => destinationsOf(topology, service, { index, v6 }));
  if (destinations.length === 0) return '';
  const hairpins = new Set(destinations.flatMap((destination) => destination.endpoints));
  const lines = [
    '*nat',
    ':KUBE-SERVICES - [0:0]',
    ...destinations.map(({ chain }) => `:${chain} - [0:0]`),
    '-A PREROUTING -j KUBE-SERVICES',
    '-A OUTPUT -j KUBE-SERVICES',
    ...[...hairpins].map((address) => `-A POSTROUTING -s ${address} -d ${address} -j MASQUERADE`),
    ...destinations.flatMap(renderDestination),
    'COMMIT',
  ];
  return `${lines.join('\n')}\n`;
}

function destinationsOf(
  topology: Topology,
  service: ServiceSpec,
  options: { readonly index: number; readonly v6: boolean },
): Destination[] {
  const vip = options.v6 ? service.vip6 : service.vip;
  const endpoints = service.endpoints
    .map((name) => topology.pods.find((pod) => pod.name === name))
    .filter((pod): pod is PodSpec => pod !== undefined)
    .map((pod) => (options.v6 ? pod.address6 : pod.address))
    .filter((address): address is string => address !== undefined);
  if (vip === undefined || endpoints.length === 0) return [];
  return Object.entries(service.ports).map(([port, targetPort]) => ({
    // Chain names are limited to 28 characters, so numbers instead of names.
    chain: `KUBE-SVC-${options.index}-${port}`,
    service,
    vip,
    port,
    endpoints,
    targetPort,
  }));
}

function renderDestination(destination: Destination): string[] {
  const { chain, service, vip, port, endpoints, targetPort } = destination;
  const bits = isIPv6(vip) ? 128 : 32;
  const name = `${namespaceOf(service)}/${service.name}`;
  return [
    `-A KUBE-SERVICES -d ${vip}/${bits} -p tcp -m tcp --dport ${port} -m comment --comment "${name}" -j ${chain}`,
    ...endpoints.map((address, index) => {
      const left = endpoints.length - index;
      // Each rule takes every n-th of what the rules before it left over: an even spread, in turn.
      const turn = left === 1 ? '' : `-m statistic --mode nth --every ${left} --packet 0 `;
      const to = isIPv6(address) ? `[${address}]` : address;
      return `-A ${chain} -p tcp ${turn}-j DNAT --to-destination ${to}:${targetPort}`;
    }),
  ];
}
