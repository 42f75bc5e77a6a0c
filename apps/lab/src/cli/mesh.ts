import type { LabClient } from '../client/lab-client.ts';
import { LabError } from '../errors.ts';
import { renderRestartNotice } from '../restart-notice.ts';
import { attachNamed } from './attach.ts';
import type { CliContext } from './context.ts';
import { showStatus } from './show-status.ts';

/** `lab enrol` and `lab unenrol`. Throws LAB_NOT_RUNNING, LAB_ENROL_FAILED, LAB_NAME_UNKNOWN. */
export async function runEnrol(
  context: CliContext,
  name: string,
  what: { readonly direction: 'enrol' | 'unenrol'; readonly pods: readonly string[] },
): Promise<void> {
  await withLab(context, name, async (client) => {
    const restarted = await client[what.direction](...what.pods);
    if (restarted.length > 0) context.out.wrapped(renderRestartNotice(restarted), { indent: 0 });
  });
}

/** `lab ztunnel`. Throws LAB_NOT_RUNNING, LAB_NAME_UNKNOWN, LAB_ZTUNNEL_NOT_READY, LAB_ARGUMENT_INVALID. */
export async function runZtunnel(
  context: CliContext,
  name: string,
  { what, node }: { readonly what: string; readonly node: string },
): Promise<void> {
  const actions: ReadonlyMap<string, (client: LabClient) => Promise<void>> = new Map([
    ['stop', (client: LabClient) => client.killZtunnel(node, 'SIGTERM')],
    ['kill', (client: LabClient) => client.signalZtunnel(node, 'SIGKILL')],
    ['start', (client: LabClient) => client.startZtunnel(node)],
    ['restart', (client: LabClient) => client.restartZtunnel(node)],
  ]);
  const action = actions.get(what);
  if (action === undefined)
    throw new LabError('LAB_ARGUMENT_INVALID', `${what}: want one of ${[...actions.keys()].join(', ')}`);
  await withLab(context, name, action);
}

async function withLab(context: CliContext, name: string, work: (client: LabClient) => Promise<void>): Promise<void> {
  const client = await attachNamed(context, name);
  try {
    await work(client);
    await showStatus(context.out, client);
  } finally {
    await client.close();
  }
}
