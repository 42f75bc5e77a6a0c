import type { Answer, Answerer } from './http-listener.ts';
import type { Readiness } from './readiness.ts';

/** What stands in the place of a task when a data thread does not answer in time. */
const stuck = 'data plane';

/** The pages of 15021: `/healthz/ready` says ready only after every data thread has answered. `ping`: whether all did in time. */
export function readinessPages(readiness: Readiness, ping: () => Promise<boolean>): Answerer {
  return async (request, url): Promise<Answer> => {
    if (url.pathname !== '/healthz/ready') return { status: 404 };
    if (request.method !== 'GET') return { status: 405 };
    const alive = await ping();
    const pending = alive ? readiness.pending : [...readiness.pending, stuck].toSorted();
    return pending.length === 0
      ? { status: 200, contentType: 'text/plain', body: 'ready\n' }
      : { status: 500, contentType: 'text/plain', body: `not ready, pending: ${pending.join(', ')}\n` };
  };
}
