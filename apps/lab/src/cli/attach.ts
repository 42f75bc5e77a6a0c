import { attachLab } from '../client/start-lab.ts';
import { baseOf } from '../client/surroundings.ts';
import { LabError } from '../errors.ts';
import { listLabs } from '../state/state-directory.ts';
import type { CliContext } from './context.ts';

/** Connects to the lab of `name`. Throws LAB_NOT_RUNNING; names the others that run. */
export async function attachNamed(context: CliContext, name: string): ReturnType<typeof attachLab> {
  try {
    return await attachLab(name, context.environment);
  } catch (error) {
    const others = await listLabs(baseOf(context.environment));
    if (!(error instanceof LabError) || others.length === 0) throw error;
    throw new LabError(error.code, `${error.message}; running: ${others.join(', ')} (--name)`, { cause: error });
  }
}
