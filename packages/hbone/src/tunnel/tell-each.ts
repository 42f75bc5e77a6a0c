/**
 * Calls `tell` for every one, also when it threw for one before, and then throws what was thrown first: that a handler
 * throws is a fault of the program and must be seen, but it must not leave the others waiting for ever.
 */
export function tellEach<One>(all: Iterable<One>, tell: (one: One) => void): void {
  let thrown: { readonly error: unknown } | undefined;
  for (const one of all) {
    try {
      tell(one);
    } catch (error) {
      thrown ??= { error };
    }
  }
  if (thrown !== undefined) throw thrown.error;
}
