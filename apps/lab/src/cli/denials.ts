import { attachNamed } from './attach.ts';
import type { CliContext } from './context.ts';

/**
 * `lab denials`: who was denied on any node, and why. Resolves to the exit code: 1 if the ztunnel of a node could not tell,
 * which is told, too. Throws LAB_NOT_RUNNING and what `LabClient.denials` throws.
 */
export async function runDenials(
  context: CliContext,
  pod: string | undefined,
  flags: { readonly name: string; readonly json?: boolean },
): Promise<number> {
  const client = await attachNamed(context, flags.name);
  let complete = true;
  try {
    const denials = await client.denials(pod, (message) => {
      context.warn(message);
      complete = false;
    });
    if (flags.json === true) context.write(`${JSON.stringify(denials, null, 2)}\n`);
    else if (denials.length > 0) context.write(denials.map(({ text }) => text).join('\n'));
    else
      context.out.line(
        `no connection${pod === undefined ? '' : ` to ${pod}`} has been denied${complete ? '' : ' on the other nodes'}`,
      );
    return complete ? 0 : 1;
  } finally {
    await client.close();
  }
}
