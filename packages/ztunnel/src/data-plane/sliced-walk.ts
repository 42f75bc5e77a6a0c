import type { Cancellable, Engine } from '@ambientmesh/hbone';

/** How long other connections of the thread wait for a share of the walk. */
const SLICE_MS = 2;

/** Runs `steps` to their end, a few milliseconds in each turn, beginning at once; a step is never cut. */
export function walkInSlices(engine: Pick<Engine, 'after'>, steps: Iterator<void>): Cancellable {
  let pending: Cancellable | undefined;
  const slice = (): void => {
    // Not the engine's clock: that may stand still within a turn.
    const endMs = performance.now() + SLICE_MS;
    while (performance.now() < endMs) if (steps.next().done === true) return;
    pending = engine.after(0, slice);
  };
  slice();
  return { cancel: () => pending?.cancel() };
}
