import { existsSync, writeFileSync } from 'node:fs';
import { Namespace, RouteSocket } from '@ambientmesh/netns';
import { LabError, messageOf } from '../errors.ts';
import { LAB_RUN } from '../state/bootstrap.ts';
import { renderHosts } from '../topology/hosts-file.ts';
import { BRIDGE, buildNetworkPlan, type NamespacePlan, type NetworkPlan } from '../topology/network-plan.ts';
import { renderServiceRules } from '../topology/service-rules.ts';
import type { Topology } from '../topology/topology.ts';
import { inNamespace, runProgram } from './run-program.ts';

/** Whether this kernel has IPv6 switched on. */
export function hasIpv6(): boolean {
  return existsSync('/proc/sys/net/ipv6/conf/all');
}

/** Builds nodes, pods, routes, the nodes' service rules and the lab's `/etc/hosts`. Everything goes with the lab. */
export async function buildNetwork(topology: Topology, ipv6: boolean): Promise<void> {
  const plan = buildNetworkPlan(topology, ipv6);
  const places = new Map<string, Place>();
  try {
    for (const [name, one] of plan.namespaces) places.set(name, makePlace(name, one));
    const rules = renderServiceRules(topology);
    const names = topology.nodes.map((node) => node.name);
    await Promise.all([
      bindHosts(topology, ipv6),
      ...names.map((name) => restore(name, 'iptables-restore', rules.v4)),
      ...(ipv6 ? names.map((name) => restore(name, 'ip6tables-restore', rules.v6)) : []),
      // Last: it is done while the programs above run.
      connect(places, plan),
    ]);
  } finally {
    for (const { namespace, routes } of places.values()) {
      routes.close();
      namespace.close();
    }
  }
}

/** A namespace that is being built. */
interface Place {
  readonly namespace: Namespace;
  readonly routes: RouteSocket;
}

function makePlace(name: string, plan: NamespacePlan): Place {
  const namespace = Namespace.create();
  namespace.pin(`/run/netns/${name}`);
  namespace.run(() => applySettings(plan));
  return { namespace, routes: RouteSocket.open(namespace) };
}

async function connect(places: ReadonlyMap<string, Place>, { own, cables, namespaces }: NetworkPlan): Promise<void> {
  const here = RouteSocket.open();
  try {
    applySettings(own);
    here.addLink({ kind: 'bridge', name: BRIDGE });
    for (const { name, from, to } of cables) {
      const peer = { name: 'eth0', namespace: find(places, to).namespace };
      if (from === undefined) here.addLink({ kind: 'veth', name, peer, master: BRIDGE, up: true });
      else find(places, from).routes.addLink({ kind: 'veth', name, peer });
    }
    configure(here, own);
    for (const [name, plan] of namespaces) configure(find(places, name).routes, plan);
  } catch (error) {
    if (error instanceof Error && 'errno' in error && error.errno === 'ENOTSUP')
      throw new LabError('LAB_KERNEL_LACKS', `${error.message} (modprobe veth and bridge as root)`, { cause: error });
    throw error;
  } finally {
    here.close();
  }
}

function find(places: ReadonlyMap<string, Place>, name: string): Place {
  const place = places.get(name);
  if (place === undefined) throw new LabError('LAB_TOPOLOGY_INVALID', `${name}: no such node or pod`);
  return place;
}

/** In the namespace the thread is in, for that is whose `/proc/sys/net` it sees. */
function applySettings({ settings }: NamespacePlan): void {
  for (const [name, value] of Object.entries(settings)) {
    const path = `/proc/sys/net/${name}`;
    if (existsSync(path)) writeFileSync(path, value);
  }
}

function configure(routes: RouteSocket, { up, addresses, routes: ways }: NamespacePlan): void {
  for (const name of up) routes.setLink(name, { up: true });
  for (const address of addresses) routes.addAddress(address);
  for (const way of ways) routes.replaceRoute(way);
}

async function restore(namespace: string, tool: string, rules: string): Promise<void> {
  if (rules === '') return;
  try {
    await runProgram(inNamespace(namespace, [tool, '--noflush']), rules);
  } catch (error) {
    throw new LabError(
      'LAB_KERNEL_LACKS',
      `${messageOf(error)} (the kernel needs nat, statistic and DNAT of netfilter; modprobe them as root)`,
      { cause: error },
    );
  }
}

async function bindHosts(topology: Topology, ipv6: boolean): Promise<void> {
  const path = `${LAB_RUN}/hosts`;
  writeFileSync(path, renderHosts(topology, ipv6), { mode: 0o644 });
  if (existsSync('/etc/hosts')) await runProgram(['mount', '-n', '--bind', path, '/etc/hosts']);
}
