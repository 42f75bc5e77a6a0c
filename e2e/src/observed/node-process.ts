import type { LabClient } from '@ambientmesh/lab';

/** Status of a node's ztunnel. Throws if there is no such node. */
export async function ztunnelOf(lab: LabClient, node: string) {
  const { nodes } = await lab.status();
  const found = nodes.find(({ name }) => name === node);
  if (found === undefined) throw new Error(`no node ${node}`);
  return found.ztunnel;
}

/** Resident memory of a node's ztunnel in bytes. */
export async function residentBytes(lab: LabClient, node: string): Promise<number> {
  const { pid } = await ztunnelOf(lab, node);
  const { stdout } = await lab.exec(node, ['cat', `/proc/${pid}/status`]);
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(stdout)?.[1]) * 1_024;
}

/** Process ids of all pods by name. */
export async function podPids(lab: LabClient): Promise<Record<string, number | undefined>> {
  const { pods } = await lab.status();
  return Object.fromEntries(pods.map(({ name, process }) => [name, process.pid]));
}
