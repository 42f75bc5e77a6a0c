/** One machine of the lab's cluster: a network namespace with a route to the other nodes. */
export interface NodeSpec {
  readonly name: string;
  /** On the network between the nodes, `172.30.0.0/24`; `.1` is the control plane's host. */
  readonly address: string;
  /** On the same network, `fd00:172:30::/64`. */
  readonly address6?: string;
  /** What other nodes route here, for example `10.244.1.0/24`. */
  readonly podCidr: string;
  readonly podCidr6?: string;
}

/** What a pod runs: the lab's own server, nothing (a client to `exec` in), or a command. */
export type PodProgram = 'http-server' | 'idle' | readonly string[];

/** One pod: a network namespace on a node, with one process in it. */
export interface PodSpec {
  /** Unique in the lab, also among nodes. */
  readonly name: string;
  readonly node: string;
  /** Kubernetes namespace; `default` if absent. */
  readonly namespace?: string;
  readonly serviceAccount: string;
  /** The application's name in the mesh (`canonicalName`); the service account's if absent. */
  readonly app?: string;
  /** Kubernetes labels, by which policies select; `app: APP` if absent. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Inside the node's `podCidr`. */
  readonly address: string;
  readonly address6?: string;
  readonly run: PodProgram;
  /** Whether the mesh takes the pod over at start; yes if absent. */
  readonly enrol?: boolean;
}

/** One service with a virtual address, spread over its endpoints by the node (before) and by ztunnel (in the mesh). */
export interface ServiceSpec {
  readonly name: string;
  /** Kubernetes namespace; `default` if absent. */
  readonly namespace?: string;
  readonly vip: string;
  readonly vip6?: string;
  /** Service port to the pods' port. */
  readonly ports: Readonly<Record<string, number>>;
  /** Names of pods. */
  readonly endpoints: readonly string[];
}

/** What a lab consists of. Plain data, also as a JSON file. */
export interface Topology {
  readonly nodes: readonly NodeSpec[];
  readonly pods: readonly PodSpec[];
  readonly services: readonly ServiceSpec[];
}

/** The control plane's host on the network between the nodes. */
export const HOST_ADDRESS = '172.30.0.1';
/** The same, IPv6. */
export const HOST_ADDRESS6 = 'fd00:172:30::1';
/** Where pods are when nothing is said. */
export const DEFAULT_NAMESPACE = 'default';

/** Two nodes; clients `sleep` and `notsleep` and one `httpbin` on the first, another `httpbin` on the second. */
export const DEFAULT_TOPOLOGY: Topology = {
  nodes: [
    {
      name: 'node1',
      address: '172.30.0.11',
      address6: 'fd00:172:30::11',
      podCidr: '10.244.1.0/24',
      podCidr6: 'fd00:10:244:1::/64',
    },
    {
      name: 'node2',
      address: '172.30.0.12',
      address6: 'fd00:172:30::12',
      podCidr: '10.244.2.0/24',
      podCidr6: 'fd00:10:244:2::/64',
    },
  ],
  pods: [
    pod('sleep', 'node1', { serviceAccount: 'sleep', host: 10, run: 'idle' }),
    pod('notsleep', 'node1', { serviceAccount: 'notsleep', host: 11, run: 'idle' }),
    pod('httpbin-1', 'node1', { serviceAccount: 'httpbin', host: 20, run: 'http-server' }),
    pod('httpbin-2', 'node2', { serviceAccount: 'httpbin', host: 20, run: 'http-server' }),
  ],
  services: [
    {
      name: 'httpbin',
      vip: '10.96.0.10',
      vip6: 'fd00:10:96::10',
      ports: { 80: 8080 },
      endpoints: ['httpbin-1', 'httpbin-2'],
    },
  ],
};

/** The namespace of a pod or service. */
export function namespaceOf(spec: { readonly namespace?: string }): string {
  return spec.namespace ?? DEFAULT_NAMESPACE;
}

/** The application's name in the mesh. */
export function appOf(spec: PodSpec): string {
  return spec.app ?? spec.serviceAccount;
}

/** What policies select a pod by. */
export function labelsOf(spec: PodSpec): Readonly<Record<string, string>> {
  return spec.labels ?? { app: appOf(spec) };
}

/** `NAME.NAMESPACE.svc.cluster.local`. */
export function hostnameOf(service: ServiceSpec): string {
  return `${service.name}.${namespaceOf(service)}.svc.cluster.local`;
}

/** Addresses of a pod or node, IPv4 first. */
export function addressesOf(spec: { readonly address: string; readonly address6?: string }): string[] {
  return spec.address6 === undefined ? [spec.address] : [spec.address, spec.address6];
}

function pod(
  name: string,
  node: 'node1' | 'node2',
  rest: { readonly serviceAccount: string; readonly host: number; readonly run: PodProgram },
): PodSpec {
  const subnet = node === 'node1' ? 1 : 2;
  return {
    name,
    node,
    serviceAccount: rest.serviceAccount,
    address: `10.244.${subnet}.${rest.host}`,
    address6: `fd00:10:244:${subnet}::${rest.host}`,
    run: rest.run,
  };
}
