import { readEngines } from '../client/engines.ts';
import { attachNamed } from './attach.ts';
import type { CliContext } from './context.ts';
import { showStatus } from './show-status.ts';

/** `lab status`. Throws LAB_NOT_RUNNING. */
export async function runStatus(
  context: CliContext,
  flags: { readonly name: string; readonly json?: boolean },
): Promise<void> {
  const client = await attachNamed(context, flags.name);
  try {
    if (flags.json !== true) return await showStatus(context.out, client);
    const status = await client.status();
    const engines = await readEngines(client, status);
    const nodes = status.nodes.map((node) => ({ ...node, engine: engines.get(node.name) ?? null }));
    context.write(`${JSON.stringify({ ...status, nodes }, null, 2)}\n`);
  } finally {
    await client.close();
  }
}
