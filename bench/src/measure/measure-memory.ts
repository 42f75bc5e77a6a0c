import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant } from '../contestants/contestant.ts';
import type { LoadSpec } from '../load/protocol.ts';
import { guardLoad, type Outcome, stopLoad } from './guarded-load.ts';
import { type MemoryUse, readMemory } from './process-usage.ts';

/** How long to wait for what before memory is read. */
export interface MemoryTiming {
  /** Under load, so that code is compiled and heaps have the size they work with. */
  readonly warmUpSeconds: number;
  /** Rest before a reading. */
  readonly settleSeconds: number;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

/** Reads the memory of the proxies after a rest. */
export async function measureMemory(contestant: Contestant, timing: MemoryTiming): Promise<Outcome> {
  return guardLoad(contestant, timing.signal, async () => {
    await rest(timing);
    return { metrics: toMetrics(await read(contestant)), failures: {} };
  });
}

/** Has the proxies carry `warmUp` and reads their memory when they are idle again, after a rest. */
export async function measureWarmMemory(
  contestant: Contestant,
  warmUp: LoadSpec,
  timing: MemoryTiming,
): Promise<Outcome> {
  return guardLoad(contestant, timing.signal, async () => {
    await contestant.client.request('start', warmUp);
    await contestant.client.request('mark');
    await sleep(timing.warmUpSeconds * 1_000, undefined, { signal: timing.signal });
    const { failures } = await contestant.client.request('measure');
    await stopLoad(contestant);
    await rest(timing);
    return { metrics: toMetrics(await read(contestant)), failures };
  });
}

/** Reads the memory of the proxies, which have been warmed up, as they are and while so many connections are open. */
export async function measureHeldMemory(
  contestant: Contestant,
  connections: number,
  timing: MemoryTiming,
): Promise<Outcome> {
  return guardLoad(contestant, timing.signal, async () => {
    const idle = await read(contestant);
    await contestant.client.request('start', { kind: 'held', host: contestant.host, connections });
    await rest(timing);
    const held = await read(contestant);
    const { completed: open, failures } = await contestant.client.request('measure');
    return { metrics: { ...toMetrics(held), ...costOf(idle, held, open) }, failures };
  });
}

/** What each of `open` connections has added, in metrics of a sample; without proxies, or connections, only their number. */
export function costOf(idle: MemoryUse | undefined, held: MemoryUse | undefined, open: number): Record<string, number> {
  if (idle === undefined || held === undefined || open === 0) return { open };
  return { open, anonymousPerConnection: (held.anonymousBytes - idle.anonymousBytes) / open };
}

async function rest({ settleSeconds, signal }: MemoryTiming): Promise<void> {
  await sleep(settleSeconds * 1_000, undefined, { signal });
}

/** Undefined without proxies. */
async function read(contestant: Contestant): Promise<MemoryUse | undefined> {
  const pids = await contestant.proxyPids();
  return pids.length === 0 ? undefined : readMemory(pids);
}

function toMetrics(use: MemoryUse | undefined): Record<string, number> {
  return use === undefined ? {} : { resident: use.residentBytes, anonymous: use.anonymousBytes };
}
