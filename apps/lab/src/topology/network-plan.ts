import { HOST_ADDRESS, HOST_ADDRESS6, type NodeSpec, type PodSpec, type Topology } from './topology.ts';

/** What to do in one network namespace, in this order: kernel settings, then `ip -batch`. */
export interface NamespacePlan {
  /** Name under `/run/netns`. */
  readonly namespace: string;
  /** Path patterns under `/proc/sys/net` with values; a path the kernel does not have is skipped. */
  readonly settings: Readonly<Record<string, string>>;
  readonly batch: string;
}

/** How to build the lab's network: first `settings` and `create` in the lab's own
 * namespace, then the namespaces in any order. */
export interface NetworkPlan {
  /** Settings of the lab's own namespace, as in `NamespacePlan`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly create: string;
  readonly namespaces: readonly NamespacePlan[];
}

/** Name of the bridge between the nodes, in the lab's own namespace. */
export const BRIDGE = 'nodes';
/** The gateway every pod sees; on its node's end of the veth. RFC 3927 addresses need no route. */
const POD_GATEWAY = '169.254.1.1';
const POD_GATEWAY6 = 'fe80::1';

/** The kernel inherits settings of the machine into new namespaces; these make every machine's lab the same. */
const SETTINGS: Readonly<Record<string, string>> = {
  // Replies of captured connections arrive on lo with foreign source addresses.
  'ipv4/conf/*/rp_filter': '0',
  'ipv4/ip_local_port_range': '32768 60999',
  'ipv6/conf/*/disable_ipv6': '0',
  // Nobody else is on these cables; looking for duplicates would cost the first connection two seconds.
  'ipv6/conf/*/accept_dad': '0',
};
const ROUTER_SETTINGS: Readonly<Record<string, string>> = {
  ...SETTINGS,
  'ipv4/ip_forward': '1',
  'ipv6/conf/all/forwarding': '1',
};

/** Where a node or pod can be listened to by its cable's name in the lab's own namespace (nodes) or on its node (pods). */
export function cableName(kind: 'node' | 'pod', index: number): string {
  return `${kind}${index + 1}-end`;
}

/** Turns a topology into commands; pure. `ipv6` false leaves out everything of IPv6. */
export function buildNetworkPlan(topology: Topology, ipv6: boolean): NetworkPlan {
  return {
    settings: SETTINGS,
    create: renderCreate(topology, ipv6),
    namespaces: [
      ...topology.nodes.map((node) => planNode(topology, node, ipv6)),
      ...topology.pods.map((pod) => planPod(pod, ipv6)),
    ],
  };
}

function renderCreate(topology: Topology, ipv6: boolean): string {
  const { nodes, pods } = topology;
  const lines = [
    ...[...nodes, ...pods].map((spec) => `netns add ${spec.name}`),
    'link set lo up',
    `link add ${BRIDGE} type bridge`,
    `addr add ${HOST_ADDRESS}/24 dev ${BRIDGE}`,
    ...(ipv6 ? [`addr add ${HOST_ADDRESS6}/64 dev ${BRIDGE} nodad`] : []),
    `link set ${BRIDGE} up`,
  ];
  for (const [index, node] of nodes.entries()) {
    const cable = cableName('node', index);
    lines.push(
      `link add ${cable} type veth peer name eth0 netns ${node.name}`,
      `link set ${cable} master ${BRIDGE}`,
      `link set ${cable} up`,
    );
  }
  for (const [index, pod] of pods.entries())
    lines.push(`link add ${cableName('pod', index)} netns ${pod.node} type veth peer name eth0 netns ${pod.name}`);
  for (const node of nodes) {
    lines.push(`route replace ${node.podCidr} via ${node.address} dev ${BRIDGE} onlink`);
    if (ipv6 && node.address6 !== undefined && node.podCidr6 !== undefined)
      lines.push(`route replace ${node.podCidr6} via ${node.address6} dev ${BRIDGE} onlink`);
  }
  return join(lines);
}

function planNode(topology: Topology, node: NodeSpec, ipv6: boolean): NamespacePlan {
  const lines = ['link set lo up', 'link set eth0 up', `addr add ${node.address}/24 dev eth0`];
  if (ipv6 && node.address6 !== undefined) lines.push(`addr add ${node.address6}/64 dev eth0 nodad`);
  for (const other of topology.nodes) {
    if (other.name === node.name) continue;
    lines.push(`route replace ${other.podCidr} via ${other.address} dev eth0 onlink`);
    if (ipv6 && other.address6 !== undefined && other.podCidr6 !== undefined)
      lines.push(`route replace ${other.podCidr6} via ${other.address6} dev eth0 onlink`);
  }
  for (const [index, pod] of topology.pods.entries()) {
    if (pod.node !== node.name) continue;
    const cable = cableName('pod', index);
    lines.push(
      `link set ${cable} up`,
      `addr add ${POD_GATEWAY}/32 dev ${cable}`,
      `route replace ${pod.address}/32 dev ${cable} src ${node.address}`,
    );
    if (ipv6) lines.push(`addr add ${POD_GATEWAY6}/64 dev ${cable} nodad`);
    if (ipv6 && pod.address6 !== undefined) lines.push(`route replace ${pod.address6}/128 dev ${cable}`);
  }
  return { namespace: node.name, settings: ROUTER_SETTINGS, batch: join(lines) };
}

function planPod(pod: PodSpec, ipv6: boolean): NamespacePlan {
  const lines = [
    'link set lo up',
    `addr add ${pod.address}/32 dev eth0`,
    'link set eth0 up',
    `route replace ${POD_GATEWAY} dev eth0 src ${pod.address}`,
    `route replace default via ${POD_GATEWAY} dev eth0 src ${pod.address}`,
  ];
  if (ipv6 && pod.address6 !== undefined)
    lines.push(`addr add ${pod.address6}/128 dev eth0 nodad`, `route replace ::/0 via ${POD_GATEWAY6} dev eth0`);
  return { namespace: pod.name, settings: SETTINGS, batch: join(lines) };
}

function join(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
