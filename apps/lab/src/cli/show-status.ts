import { type EngineSource, readEngines } from '../client/engines.ts';
import type { LabStatus } from '../control-protocol.ts';
import { printStatus } from './status-tables.ts';
import type { Terminal } from './terminal.ts';

/** What this needs of a lab. */
export interface StatusSource extends EngineSource {
  status(): Promise<LabStatus>;
}

/** Asks a lab how it is, and its ztunnels what they run on, and prints it. Throws what `LabClient.status` throws. */
export async function showStatus(out: Terminal, lab: StatusSource): Promise<void> {
  const status = await lab.status();
  printStatus(out, status, await readEngines(lab, status));
}
