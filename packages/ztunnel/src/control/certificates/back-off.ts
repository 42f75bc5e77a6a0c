/** Waits between tries: doubling from the first to the cap, each spread by a fifth (spec ztunnel.md §8). */
const firstMs = 1000;
const capMs = 150_000;
const spread = 0.2;

/** How long to wait after `failures` failed tries in a row (from 1 on). `random`: from 0 to below 1. */
export function backOffMs(failures: number, random: () => number): number {
  const base = Math.min(capMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(Math.min(capMs, base * (1 + spread * (2 * random() - 1))));
}
