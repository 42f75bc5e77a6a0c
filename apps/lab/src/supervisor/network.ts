import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { LabError, messageOf } from '../errors.ts';
import { LAB_RUN } from '../state/bootstrap.ts';
import { renderHosts } from '../topology/hosts-file.ts';
import { buildNetworkPlan, type NamespacePlan } from '../topology/network-plan.ts';
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
  mkdirSync('/run/netns', { recursive: true });
  await runProgram(['sh', '-ec', renderScript(plan.settings)], plan.create);
  await Promise.all(plan.namespaces.map(configureNamespace));
  const rules = renderServiceRules(topology);
  const names = topology.nodes.map((node) => node.name);
  await Promise.all([
    bindHosts(topology, ipv6),
    ...names.map((name) => restore(name, 'iptables-restore', rules.v4)),
    ...(ipv6 ? names.map((name) => restore(name, 'ip6tables-restore', rules.v6)) : []),
  ]);
}

async function configureNamespace(plan: NamespacePlan): Promise<void> {
  await runProgram(inNamespace(plan.namespace, ['sh', '-ec', renderScript(plan.settings)]), plan.batch);
}

/** A script that makes the settings and then does the batch on its input. */
function renderScript(settings: NamespacePlan['settings']): string {
  const lines = Object.entries(settings).map(
    ([pattern, value]) =>
      `for path in /proc/sys/net/${pattern}; do [ ! -e "$path" ] || echo '${value}' > "$path"; done`,
  );
  return [...lines, 'exec ip -batch -'].join('\n');
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
