import { endLab, launchLab } from '../client/start-lab.ts';
import { baseOf } from '../client/surroundings.ts';
import { LAB_COMMAND } from '../command-name.ts';
import { LabError } from '../errors.ts';
import { listLabs } from '../state/state-directory.ts';
import type { CliContext } from './context.ts';
import { printPolicies } from './policy.ts';
import { showStatus } from './show-status.ts';
import { labOptionsOf, type StartFlags } from './start-flags.ts';

/** `lab up`: starts a lab; without `--keep` it lives until Ctrl-C. Throws what `launchLab` throws. */
export async function runUp(context: CliContext, flags: StartFlags): Promise<void> {
  const { out } = context;
  const begunMs = performance.now();
  const started = await launchLab({
    ...(await labOptionsOf(context, flags)),
    onStep: (step) => out.line(out.paint('dim', `${seconds(begunMs)}  ${step}`)),
  });
  const { client } = started;
  try {
    out.line(out.paint('dim', `${seconds(begunMs)}  up`));
    await showStatus(out, client);
    out.line();
    if (flags.policies !== undefined) {
      printPolicies(out, await client.policies());
      out.line();
    }
    const name = flags.name === 'default' ? '' : ` --name ${flags.name}`;
    out.line(`Try: ${LAB_COMMAND} exec${name} sleep -- curl httpbin`);
    if (flags.keep === true) {
      await started.keep();
      client.disconnect();
      out.line(`It runs until: ${LAB_COMMAND} down${name}`);
      return;
    }
    out.line('It runs until Ctrl-C.');
    await client.untilEnded(context.interrupted);
    if (!context.interrupted.aborted) await started.ended;
  } finally {
    if (flags.keep !== true) await client.close();
  }
}

/** `lab down`: ends one lab, or all of the user's. Throws LAB_NOT_RUNNING. */
export async function runDown(
  context: CliContext,
  flags: { readonly name: string; readonly all?: boolean },
): Promise<void> {
  const all = flags.all === true;
  for (const name of all ? await listLabs(baseOf(context.environment)) : [flags.name]) {
    try {
      await endLab(name, context.environment);
    } catch (error) {
      // It has ended since it was listed: as wanted.
      if (all && error instanceof LabError && error.code === 'LAB_NOT_RUNNING') continue;
      throw error;
    }
    context.out.line(`lab ${name} has ended; nothing is left of it`);
  }
}

function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1_000).toFixed(1).padStart(5)} s`;
}
