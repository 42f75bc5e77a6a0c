/** What who changes the mesh must be told when that has restarted the ztunnels of `nodes`. */
export function renderRestartNotice(nodes: readonly string[]): string {
  const ztunnels = nodes.map((node) => `ztunnel@${node}`).join(', ');
  return `restarted ${ztunnels}: connections through ${nodes.length === 1 ? 'it' : 'them'} have ended`;
}
