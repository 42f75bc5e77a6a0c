/** How a person types the lab's command line: the clone's `node_modules/.bin` is on nobody's PATH. */
export const LAB_COMMAND = 'npx lab';

/** What to do about a node's ztunnel that runs and does not answer. */
export function renderHangAdvice(node: string): string {
  return `\`${LAB_COMMAND} ztunnel kill ${node}\` ends it, and another one is started`;
}
