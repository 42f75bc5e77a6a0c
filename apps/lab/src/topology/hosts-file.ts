import { hostnameOf, namespaceOf, type Topology } from './topology.ts';

/** `/etc/hosts` of the lab: services by all names Kubernetes gives them, pods and nodes by their own. */
export function renderHosts(topology: Topology, ipv6: boolean): string {
  const lines = ['127.0.0.1 localhost', ...(ipv6 ? ['::1 localhost ip6-localhost ip6-loopback'] : [])];
  const shortNames = new Set<string>();
  for (const service of topology.services) {
    const namespace = namespaceOf(service);
    const short = shortNames.has(service.name) ? [] : [service.name];
    shortNames.add(service.name);
    const names = [...short, `${service.name}.${namespace}`, `${service.name}.${namespace}.svc`, hostnameOf(service)];
    // IPv4 only: a client that got both addresses would choose by rules of its own, and the lab shows IPv4.
    lines.push(`${service.vip} ${names.join(' ')}`);
  }
  for (const spec of [...topology.nodes, ...topology.pods])
    if (!shortNames.has(spec.name)) lines.push(`${spec.address} ${spec.name}`);
  return `${lines.join('\n')}\n`;
}
