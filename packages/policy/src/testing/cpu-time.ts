/** Milliseconds that this thread computes for `run`: other processes on a busy machine hardly change it. */
export function measureCpuMs(run: () => void): number {
  const before = process.threadCpuUsage();
  run();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}
