import type { NewAddress, NewRoute } from '@ambientmesh/netns';
import { HOST_ADDRESS, HOST_ADDRESS6, type NodeSpec, type PodSpec, type Topology } from './topology.ts';

/** What to do in one network namespace, in the order of the members. */
export interface NamespacePlan {
  /** Paths under `/proc/sys/net` with values, to be set before there are cables; what the kernel does not have is skipped. */
  readonly settings: Readonly<Record<string, string>>;
  /** Names of interfaces to switch on. */
  readonly up: readonly string[];
  readonly addresses: readonly NewAddress[];
  readonly routes: readonly NewRoute[];
}

/** A veth pair; its other end is `eth0` in the namespace `to`. */
export interface CablePlan {
  readonly name: string;
  /** Where this end is; the lab's own namespace, on the bridge, if absent. */
  readonly from?: string;
  readonly to: string;
}

/** How to build the lab's network: namespaces with a bridge and cables between them, then the inside of each. */
export interface NetworkPlan {
  readonly cables: readonly CablePlan[];
  /** The lab's own namespace, where the bridge is. */
  readonly own: NamespacePlan;
  /** By name under `/run/netns`. */
  readonly namespaces: ReadonlyMap<string, NamespacePlan>;
}

/** Name of the bridge between the nodes, in the lab's own namespace. */
export const BRIDGE = 'nodes';
/** The gateway every pod sees; on its node's end of the veth. RFC 3927 addresses need no route. */
const POD_GATEWAY = '169.254.1.1';
const POD_GATEWAY6 = 'fe80::1';

/** The kernel inherits settings of the machine into new namespaces; these make every machine's lab the same. */
const SETTINGS: Readonly<Record<string, string>> = {
  // Replies of captured connections arrive on lo with foreign source addresses.
  ...ofEveryInterface('ipv4', 'rp_filter', '0'),
  'ipv4/ip_local_port_range': '32768 60999',
  ...ofEveryInterface('ipv6', 'disable_ipv6', '0'),
  // Nobody else is on these cables; looking for duplicates would cost the first connection two seconds.
  ...ofEveryInterface('ipv6', 'accept_dad', '0'),
};
const ROUTER_SETTINGS: Readonly<Record<string, string>> = {
  ...SETTINGS,
  'ipv4/ip_forward': '1',
  'ipv6/conf/all/forwarding': '1',
};

/** Settings of the interfaces that there are in a new namespace, and of those to come. */
function ofEveryInterface(version: 'ipv4' | 'ipv6', name: string, value: string): Readonly<Record<string, string>> {
  return Object.fromEntries(['all', 'default', 'lo'].map((one) => [`${version}/conf/${one}/${name}`, value]));
}

/** Where a node or pod can be listened to by its cable's name in the lab's own namespace (nodes) or on its node (pods). */
export function cableName(kind: 'node' | 'pod', index: number): string {
  return `${kind}${index + 1}-end`;
}

/** Turns a topology into a plan; pure. `ipv6` false leaves out everything of IPv6. */
export function buildNetworkPlan(topology: Topology, ipv6: boolean): NetworkPlan {
  const { nodes, pods } = topology;
  const plan: NetworkPlan = {
    cables: [
      ...nodes.map((node, index) => ({ name: cableName('node', index), to: node.name })),
      ...pods.map((pod, index) => ({ name: cableName('pod', index), from: pod.node, to: pod.name })),
    ],
    own: planOwn(topology),
    namespaces: new Map([
      ...nodes.map((node): [string, NamespacePlan] => [node.name, planNode(topology, node)]),
      ...pods.map((pod): [string, NamespacePlan] => [pod.name, planPod(pod)]),
    ]),
  };
  if (ipv6) return plan;
  const namespaces = [...plan.namespaces].map(([name, one]): [string, NamespacePlan] => [name, withoutIpv6(one)]);
  return { cables: plan.cables, own: withoutIpv6(plan.own), namespaces: new Map(namespaces) };
}

function withoutIpv6(plan: NamespacePlan): NamespacePlan {
  return {
    ...plan,
    addresses: plan.addresses.filter(({ address }) => !address.includes(':')),
    routes: plan.routes.filter(({ dst }) => !dst.includes(':')),
  };
}

function planOwn({ nodes }: Topology): NamespacePlan {
  return {
    settings: SETTINGS,
    up: ['lo', BRIDGE],
    addresses: [
      { dev: BRIDGE, address: `${HOST_ADDRESS}/24` },
      { dev: BRIDGE, address: `${HOST_ADDRESS6}/64`, nodad: true },
    ],
    routes: nodes.flatMap((node) => routesToPodsOf(node, BRIDGE)),
  };
}

function planNode({ nodes, pods }: Topology, node: NodeSpec): NamespacePlan {
  const cabled = [...pods.entries()]
    .filter(([, pod]) => pod.node === node.name)
    .map(([index, pod]) => ({ dev: cableName('pod', index), pod }));
  return {
    settings: ROUTER_SETTINGS,
    up: ['lo', 'eth0', ...cabled.map(({ dev }) => dev)],
    addresses: [
      { dev: 'eth0', address: `${node.address}/24` },
      ...present(node.address6, (address) => ({ dev: 'eth0', address: `${address}/64`, nodad: true })),
      ...cabled.flatMap(({ dev }) => [
        { dev, address: POD_GATEWAY },
        { dev, address: `${POD_GATEWAY6}/64`, nodad: true },
      ]),
    ],
    routes: [
      ...nodes.filter(({ name }) => name !== node.name).flatMap((other) => routesToPodsOf(other, 'eth0')),
      ...cabled.flatMap(({ dev, pod }) => [
        { dst: pod.address, dev, src: node.address },
        ...present(pod.address6, (dst) => ({ dst, dev })),
      ]),
    ],
  };
}

function routesToPodsOf({ address, podCidr, address6, podCidr6 }: NodeSpec, dev: string): NewRoute[] {
  const onlink = true;
  const route6 = address6 === undefined ? [] : present(podCidr6, (dst) => ({ dst, via: address6, dev, onlink }));
  return [{ dst: podCidr, via: address, dev, onlink }, ...route6];
}

function planPod({ address, address6 }: PodSpec): NamespacePlan {
  const dev = 'eth0';
  return {
    settings: SETTINGS,
    up: ['lo', dev],
    addresses: [{ dev, address }, ...present(address6, (own) => ({ dev, address: own, nodad: true }))],
    routes: [
      { dst: POD_GATEWAY, dev, src: address },
      { dst: '0.0.0.0/0', via: POD_GATEWAY, dev, src: address },
      ...present(address6, () => ({ dst: '::/0', via: POD_GATEWAY6, dev })),
    ],
  };
}

function present<T>(value: string | undefined, build: (value: string) => T): T[] {
  return value === undefined ? [] : [build(value)];
}
