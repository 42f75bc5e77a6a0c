/** The process inside the lab's namespaces: `node main.ts CONFIG_FILE`; started by `start-lab.ts` through `bootstrap.ts`. */
import { readFileSync, writeSync } from 'node:fs';
import process, { argv, exit, stderr } from 'node:process';
import type { StartReport } from '../control-protocol.ts';
import { asLabError } from '../errors.ts';
import { Lab } from './lab.ts';
import type { SupervisorConfig } from './supervisor-config.ts';

/** Stdout: the starter reads it until `ready` or `error`. It is not for anything else, and no child gets it. */
const REPORT_FD = 1;

const config: SupervisorConfig = JSON.parse(readFileSync(argv[2] ?? '', 'utf8'));
exit(await main());

async function main(): Promise<number> {
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  let lab: Lab;
  try {
    const begun = Lab.start(config, report);
    const started = await Promise.race([begun, signalled]);
    if (started === undefined) return 0;
    lab = started;
    report({ ready: true });
  } catch (error) {
    stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    const { code, message } = asLabError(error, 'LAB_START_FAILED');
    report({ error: { code, message } });
    return 1;
  }
  await Promise.race([lab.ended, signalled]);
  await lab.close();
  return 0;
}

function report(step: StartReport): void {
  try {
    writeSync(REPORT_FD, `${JSON.stringify(step)}\n`);
  } catch {
    // The starter has gone: the bootstrap ends this process in a moment.
  }
}
