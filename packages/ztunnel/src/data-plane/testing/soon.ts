import { vi } from 'vitest';

/** Waits until `check` throws no more; for handshakes and files that a busy machine takes its time for. */
export function soon(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 5 });
}
