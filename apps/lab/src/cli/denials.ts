import { attachNamed } from './attach.ts';
import type { CliContext } from './context.ts';

/** `lab denials`: who was denied on any node, and why. Throws LAB_NOT_RUNNING and what `LabClient.denials` throws. */
export async function runDenials(
  context: CliContext,
  pod: string | undefined,
  flags: { readonly name: string; readonly json?: boolean },
): Promise<void> {
  const client = await attachNamed(context, flags.name);
  try {
    const denials = await client.denials(pod, context.warn);
    if (flags.json === true) context.write(`${JSON.stringify(denials, null, 2)}\n`);
    else if (denials.length > 0) context.write(denials.map(({ text }) => text).join('\n'));
    else context.out.line(`no connection${pod === undefined ? '' : ` to ${pod}`} has been denied`);
  } finally {
    await client.close();
  }
}
