/** For tests that work for a second on an idle machine: beside others they take many times that. */
export const SLOW = { timeout: 60_000 } as const;

/** Gives the milliseconds of processor that this process has worked since: the clock also counts the work of others. */
export function startCpuClock(): () => number {
  const begin = process.cpuUsage();
  return () => process.cpuUsage(begin).user / 1_000;
}
