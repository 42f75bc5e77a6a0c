import { addressesOf, hostnameOf, namespaceOf, type PodSpec, type ServiceSpec, type Topology } from './topology.ts';

/** Names shared by every part of the lab's cluster. */
export const TRUST_DOMAIN = 'cluster.local';
/** Kubernetes' default name of a cluster in the mesh. */
export const CLUSTER_ID = 'Kubernetes';

/** `spiffe://cluster.local/ns/NAMESPACE/sa/ACCOUNT`. */
export function spiffeUriOf(pod: PodSpec): string {
  return `spiffe://${TRUST_DOMAIN}/ns/${namespaceOf(pod)}/sa/${pod.serviceAccount}`;
}

/**
 * The file a ztunnel reads instead of asking a control plane (`LOCAL_XDS_PATH`): all pods, `enrolled` ones as
 * reachable by HBONE. YAML in flow form, one
 * object a line so that a person can read it.
 */
export function renderMeshConfig(topology: Topology, enrolled: ReadonlySet<string>): string {
  const workloads = topology.pods.map((pod) => renderWorkload(topology, pod, enrolled.has(pod.name)));
  const services = topology.services.map(renderService);
  return [...list('workloads', workloads), 'policies: []', ...list('services', services), ''].join('\n');
}

function list(key: string, values: readonly object[]): string[] {
  return values.length === 0 ? [`${key}: []`] : [`${key}:`, ...values.map((value) => `- ${renderFlow(value)}`)];
}

/** JSON is YAML, except that JSON has no number keys and the reference takes no strings for ports. */
function renderFlow(value: object): string {
  return JSON.stringify(value).replaceAll(/"(\d+)":/g, '$1: ');
}

function renderWorkload(topology: Topology, pod: PodSpec, enrolled: boolean): object {
  const namespace = namespaceOf(pod);
  const app = pod.app ?? pod.serviceAccount;
  return {
    uid: `${CLUSTER_ID}//Pod/${namespace}/${pod.name}`,
    name: pod.name,
    namespace,
    serviceAccount: pod.serviceAccount,
    trustDomain: TRUST_DOMAIN,
    workloadIps: addressesOf(pod),
    protocol: enrolled ? 'HBONE' : 'TCP',
    node: pod.node,
    network: '',
    clusterId: CLUSTER_ID,
    canonicalName: app,
    canonicalRevision: 'latest',
    workloadName: app,
    workloadType: 'deployment',
    services: Object.fromEntries(
      topology.services
        .filter((service) => service.endpoints.includes(pod.name))
        .map((service) => [`${namespaceOf(service)}/${hostnameOf(service)}`, service.ports]),
    ),
  };
}

function renderService(service: ServiceSpec): object {
  return {
    name: service.name,
    namespace: namespaceOf(service),
    hostname: hostnameOf(service),
    vips: [service.vip, ...(service.vip6 === undefined ? [] : [service.vip6])].map((vip) => `/${vip}`),
    ports: service.ports,
  };
}
