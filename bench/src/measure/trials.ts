import type { LoadSpec } from '../load/protocol.ts';

/** One kind of measurement, done with every contestant in turn. */
export interface Trial {
  readonly name: string;
  readonly title: string;
  readonly spec: (host: string) => LoadSpec;
}

/** "Many" connections: more than there are cores, as few as a pod of a real mesh has. */
const MANY = 16;
/** Connections that always have a request on its way: more than fit in a turn of the proxies, so that none of them idles. */
const BUSY = 64;
/** Requests a second: the load at which the reference's own documentation gives latency. */
const REQUESTS_PER_SECOND = 1_000;

/** What proxies carry before they count as idle: thousands of connections, so that holding some finds heaps grown. */
export function memoryWarmUp(host: string): LoadSpec {
  return { kind: 'connects', host, connections: MANY };
}

/** In the order in which they run. */
export const TRIALS: readonly Trial[] = [
  throughput('up-1', '1 connection up', { connections: 1, direction: 'up' }),
  throughput('down-1', '1 connection down', { connections: 1, direction: 'down' }),
  throughput('up-16', '16 connections up', { connections: MANY, direction: 'up' }),
  throughput('down-16', '16 connections down', { connections: MANY, direction: 'down' }),
  {
    name: 'connects',
    title: 'new connections',
    spec: (host) => ({ kind: 'connects', host, connections: MANY }),
  },
  {
    name: 'requests',
    title: 'requests of 1 KiB',
    spec: (host) => ({ kind: 'requests', host, connections: MANY, perSecond: REQUESTS_PER_SECOND }),
  },
  {
    name: 'keep-alive',
    title: 'requests one after another',
    spec: (host) => ({ kind: 'keep-alive', host, connections: BUSY }),
  },
];

function throughput(
  name: string,
  title: string,
  rest: { readonly connections: number; readonly direction: 'up' | 'down' },
): Trial {
  return { name, title, spec: (host) => ({ kind: 'throughput', host, ...rest }) };
}
