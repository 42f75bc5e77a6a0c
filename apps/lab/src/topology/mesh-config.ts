import type { Conversion } from '@ambientmesh/policy';
import { renderPolicyYaml } from './policy-yaml.ts';
import {
  addressesOf,
  appOf,
  hostnameOf,
  labelsOf,
  namespaceOf,
  type PodSpec,
  type ServiceSpec,
  type Topology,
} from './topology.ts';

/** Names shared by every part of the lab's cluster. */
export const TRUST_DOMAIN = 'cluster.local';
/** Kubernetes' default name of a cluster in the mesh. */
export const CLUSTER_ID = 'Kubernetes';

/** `spiffe://cluster.local/ns/NAMESPACE/sa/ACCOUNT`. */
export function spiffeUriOf(pod: PodSpec): string {
  return `spiffe://${TRUST_DOMAIN}/ns/${namespaceOf(pod)}/sa/${pod.serviceAccount}`;
}

/** What changes of a mesh while it runs. */
export interface MeshState {
  /** Names of the pods that are reachable by HBONE. */
  readonly enrolled: ReadonlySet<string>;
  readonly policies: Pick<Conversion, 'policies' | 'policiesOf'>;
  /** Whether policies say where they come from: ztunnels of another make refuse a file with such words. */
  readonly sourcesTold: boolean;
}

/**
 * The file a ztunnel reads instead of asking a control plane (`LOCAL_XDS_PATH`): all pods, services and policies. YAML in
 * flow form, one object a line so that a person can read it.
 */
export function renderMeshConfig(topology: Topology, { enrolled, policies, sourcesTold }: MeshState): string {
  const workloads = topology.pods.map((pod) => ({
    ...describeWorkload(topology, pod),
    protocol: enrolled.has(pod.name) ? 'HBONE' : 'TCP',
    authorizationPolicies: policies.policiesOf({ namespace: namespaceOf(pod), labels: labelsOf(pod) }),
  }));
  return [
    ...list('workloads', workloads.map(renderFlow)),
    ...list(
      'policies',
      policies.policies.map((policy) => renderPolicyYaml(policy, sourcesTold)),
    ),
    ...list('services', topology.services.map(describeService).map(renderFlow)),
    '',
  ].join('\n');
}

function list(key: string, entries: readonly string[]): string[] {
  return entries.length === 0 ? [`${key}: []`] : [`${key}:`, ...entries.map((entry) => `- ${entry}`)];
}

/** JSON is YAML, except that JSON has no number keys and the reference takes no strings for ports. */
function renderFlow(value: object): string {
  return JSON.stringify(value).replaceAll(/"(\d+)":/g, '$1: ');
}

function describeWorkload(topology: Topology, pod: PodSpec): object {
  const namespace = namespaceOf(pod);
  const app = appOf(pod);
  return {
    uid: `${CLUSTER_ID}//Pod/${namespace}/${pod.name}`,
    name: pod.name,
    namespace,
    serviceAccount: pod.serviceAccount,
    trustDomain: TRUST_DOMAIN,
    workloadIps: addressesOf(pod),
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

function describeService(service: ServiceSpec): object {
  return {
    name: service.name,
    namespace: namespaceOf(service),
    hostname: hostnameOf(service),
    vips: [service.vip, ...(service.vip6 === undefined ? [] : [service.vip6])].map((vip) => `/${vip}`),
    ports: service.ports,
  };
}
