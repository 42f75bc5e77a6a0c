/** Who waits, by what is worked on; there is an entry exactly while somebody works. */
const waiting = new Map<string, Set<() => void>>();

/**
 * Runs `work` when all earlier work under the same key has settled. State of the module on purpose: callers that know
 * nothing of each other work on one kernel. An abort while it waits rejects with the signal's reason, and `work` never
 * begins. Rejects with what `work` rejects with.
 */
export async function takeTurns<R>(key: string, signal: AbortSignal | undefined, work: () => Promise<R>): Promise<R> {
  await waitForTurn(key, signal);
  try {
    return await work();
  } finally {
    passOn(key);
  }
}

/** How many keys are worked on, for tests: none when all is done. */
export function countKeys(): number {
  return waiting.size;
}

async function waitForTurn(key: string, signal: AbortSignal | undefined): Promise<void> {
  const line = waiting.get(key);
  if (line === undefined) {
    waiting.set(key, new Set());
    return;
  }
  signal?.throwIfAborted();
  const got = await new Promise<boolean>((resolve) => {
    const go = () => {
      signal?.removeEventListener('abort', leave);
      resolve(true);
    };
    const leave = () => {
      line.delete(go);
      resolve(false);
    };
    line.add(go);
    signal?.addEventListener('abort', leave, { once: true });
  });
  if (!got) signal?.throwIfAborted();
}

function passOn(key: string): void {
  const line = waiting.get(key);
  const [next] = line ?? [];
  if (line === undefined || next === undefined) {
    waiting.delete(key);
    return;
  }
  line.delete(next);
  next();
}
