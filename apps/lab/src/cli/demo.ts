import { runDemo } from '../demo/demo.ts';
import type { CliContext } from './context.ts';
import { labOptionsOf, type StartFlags } from './start-flags.ts';

/** `lab demo`. Returns 0 if every claim held, 1 if not. Throws what starting a lab throws. */
export async function runDemoCommand(context: CliContext, flags: StartFlags): Promise<number> {
  const allHold = await runDemo({
    lab: await labOptionsOf(context, flags),
    out: context.out,
    keep: flags.keep === true,
  });
  return allHold ? 0 : 1;
}
