import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 20_000;

/** Waits until `condition` holds, as long as a busy machine may take; throws after 20 s. */
export async function soon(condition: () => unknown): Promise<void> {
  const lateMs = performance.now() + LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > lateMs) throw new Error(`not within ${LIMIT_MS} ms: ${condition.toString()}`);
    await sleep(2);
  }
}
