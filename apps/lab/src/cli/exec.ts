import { constants } from 'node:os';
import { LabError } from '../errors.ts';
import { attachNamed } from './attach.ts';
import type { CliContext } from './context.ts';

/** `lab exec`: runs a command in a pod with this process's terminal. Returns its exit code. Throws LAB_NOT_RUNNING, LAB_NAME_UNKNOWN. */
export async function runExec(
  context: CliContext,
  name: string,
  what: { readonly place: string; readonly argv: readonly string[] },
): Promise<number> {
  const client = await attachNamed(context, name);
  try {
    const child = client.spawnIn(what.place, what.argv, { stdio: 'inherit' });
    // Ctrl-C reaches the command by the terminal; what it makes of it is its own affair.
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (cause) => {
        reject(new LabError('LAB_TOOL_MISSING', `nsenter: ${cause.message} (install util-linux)`, { cause }));
      });
      child.once('exit', (code, signal) => {
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  } finally {
    await client.close();
  }
}
