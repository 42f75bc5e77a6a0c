import type { Cancellable, Engine } from '@ambientmesh/hbone';

/** How long other connections of the thread wait for a share of the walk. */
export const SLICE_MS = 2;

/**
 * Runs `steps` to their end, a few milliseconds in each turn, beginning at once; a step is never cut. `now`: monotonic
 * milliseconds, not the engine's: its clock may stand still within a turn.
 */
export function walkInSlices(
  engine: Pick<Engine, 'after'>,
  steps: Iterator<void>,
  now: () => number = () => performance.now(),
): Cancellable {
  let pending: Cancellable | undefined;
  const slice = (): void => {
    const endMs = now() + SLICE_MS;
    while (now() < endMs) if (steps.next().done === true) return;
    pending = engine.after(0, slice);
  };
  slice();
  return { cancel: () => pending?.cancel() };
}
