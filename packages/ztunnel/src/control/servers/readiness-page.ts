import type { Answer, Answerer } from './http-listener.ts';
import type { Readiness } from './readiness.ts';

/** What stands in the place of a task when a data thread does not answer in time. */
const silent = 'data plane';

/** What the data threads tell of themselves. */
export interface DataThreadHealth {
  /** Whether all answer in time. */
  readonly ping: () => Promise<boolean>;
  /** Numbers of those that are known to be stuck. */
  readonly stuck: () => readonly number[];
}

/**
 * The pages of 15021: `/healthz/ready` says ready only after every data thread has answered. Status 500 is the reference's
 * word for a start that is not over; a data thread that is stuck is named, with 503.
 */
export function readinessPages(readiness: Readiness, { ping, stuck }: DataThreadHealth): Answerer {
  return async (request, url): Promise<Answer> => {
    if (url.pathname !== '/healthz/ready') return { status: 404 };
    if (request.method !== 'GET') return { status: 405 };
    const names = stuck().map((thread) => `data thread ${thread} (stuck)`);
    if (names.length > 0) return notReady(503, [...readiness.pending, ...names]);
    const pending = (await ping()) ? readiness.pending : [...readiness.pending, silent];
    return pending.length === 0 ? { status: 200, contentType: 'text/plain', body: 'ready\n' } : notReady(500, pending);
  };
}

function notReady(status: number, pending: readonly string[]): Answer {
  return { status, contentType: 'text/plain', body: `not ready, pending: ${pending.toSorted().join(', ')}\n` };
}
