import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 10_000;

/** Waits until `check` throws no more, for handshakes that a busy machine takes its time for; throws what it throws after 10 s. */
export async function soon(check: () => void): Promise<void> {
  const lateMs = performance.now() + LIMIT_MS;
  for (;;) {
    try {
      check();
      return;
    } catch (error) {
      if (performance.now() > lateMs) throw error;
    }
    await sleep(5);
  }
}
