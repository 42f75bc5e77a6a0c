import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant } from '../contestants/contestant.ts';
import { monotonicMs } from '../load/monotonic.ts';
import type { Sample } from './sample.ts';

/** What a measurement gave, whoever's it is. */
export type Outcome = Pick<Sample, 'metrics' | 'failures'>;

/** What a connection leaves in buffers has arrived long before. */
const DRAIN_DEADLINE_MS = 3_000;
const POLL_MS = 10;

/** Does `work` and ends the load; what goes wrong is a failure in the outcome. Throws the reason of `signal`. */
export async function guardLoad(
  contestant: Contestant,
  signal: AbortSignal,
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  try {
    const outcome = await work();
    await stopLoad(contestant);
    return outcome;
  } catch (error) {
    signal.throwIfAborted();
    await stopLoad(contestant).catch(() => undefined);
    return { metrics: {}, failures: { [error instanceof Error ? error.message : String(error)]: 1 } };
  }
}

/** Ends the load and waits until the server has seen the end of it, so that it is not part of what is measured next. */
export async function stopLoad(contestant: Contestant): Promise<void> {
  await contestant.client.request('stop');
  const deadlineMs = monotonicMs() + DRAIN_DEADLINE_MS;
  while ((await contestant.server.request('open')) !== 0 && monotonicMs() < deadlineMs) await sleep(POLL_MS);
}
