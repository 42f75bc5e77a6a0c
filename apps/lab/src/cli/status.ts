import { attachNamed } from './attach.ts';
import type { CliContext } from './context.ts';
import { printStatus } from './status-tables.ts';

/** `lab status`. Throws LAB_NOT_RUNNING. */
export async function runStatus(
  context: CliContext,
  flags: { readonly name: string; readonly json?: boolean },
): Promise<void> {
  const client = await attachNamed(context, flags.name);
  try {
    const status = await client.status();
    if (flags.json === true) context.write(`${JSON.stringify(status, null, 2)}\n`);
    else printStatus(context.out, status);
  } finally {
    await client.close();
  }
}
