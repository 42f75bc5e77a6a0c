import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant } from '../contestants/contestant.ts';
import { monotonicMs } from '../load/monotonic.ts';
import { type LoadResult, type LoadSpec, type ReceivedBytes, STARVED } from '../load/protocol.ts';
import { readCpuSeconds, readMemory } from './process-usage.ts';
import type { Sample } from './sample.ts';
import type { Trial } from './trials.ts';

/** How long a measurement takes. */
export interface Timing {
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

/** How long to rest before memory is read. */
export interface MemoryTiming {
  readonly settleSeconds: number;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

type Outcome = Pick<Sample, 'metrics' | 'failures'>;

/** What a connection leaves in buffers has arrived long before. */
const DRAIN_DEADLINE_MS = 3_000;
const POLL_MS = 10;
/** Measures one trial; whatever goes wrong is a failure in the outcome, except that `signal` has been given. */
export async function runTrial(contestant: Contestant, trial: Trial, timing: Timing): Promise<Outcome> {
  return guarded(contestant, timing.signal, async () => {
    const { client } = contestant;
    const spec = trial.spec(contestant.host);
    const pids = await contestant.proxyPids();
    await client.request('start', spec);
    await sleep(timing.warmUpSeconds * 1_000, undefined, { signal: timing.signal });
    const receivedBefore = await readReceived(contestant, spec);
    await client.request('mark');
    const cpuBefore = readCpu(pids);
    await sleep(timing.seconds * 1_000, undefined, { signal: timing.signal });
    const cpuAfter = readCpu(pids);
    const receivedAfter = await readReceived(contestant, spec);
    const result = await client.request('measure');
    const rate =
      receivedBefore === undefined || receivedAfter === undefined
        ? result.completed / result.seconds
        : ((receivedAfter.bytes - receivedBefore.bytes) / (receivedAfter.atMs - receivedBefore.atMs)) * 1_000;
    const starved = receivedAfter?.starved ?? 0;
    const failures = starved > 0 ? { ...result.failures, [STARVED]: starved } : result.failures;
    const cpu = (cpuAfter.seconds - cpuBefore.seconds) / ((cpuAfter.atMs - cpuBefore.atMs) / 1_000) / rate;
    return {
      metrics: metricsOf(result, rate, pids.length > 0 && rate > 0 ? cpu : undefined),
      failures,
    };
  });
}

/** Reads the memory of the proxies after a rest. */
export async function measureMemory(contestant: Contestant, timing: MemoryTiming): Promise<Outcome> {
  const { settleSeconds, signal } = timing;
  return guarded(contestant, signal, async () => {
    await sleep(settleSeconds * 1_000, undefined, { signal });
    return { metrics: memoryMetrics(await contestant.proxyPids()), failures: {} };
  });
}

/** Reads the memory of the proxies while so many connections are open. */
export async function measureHeldMemory(
  contestant: Contestant,
  connections: number,
  timing: MemoryTiming,
): Promise<Outcome> {
  const { settleSeconds, signal } = timing;
  return guarded(contestant, signal, async () => {
    await contestant.client.request('start', { kind: 'held', host: contestant.host, connections });
    await sleep(settleSeconds * 1_000, undefined, { signal });
    const metrics = memoryMetrics(await contestant.proxyPids());
    const { completed, failures } = await contestant.client.request('measure');
    return { metrics: { ...metrics, open: completed }, failures };
  });
}

async function guarded(contestant: Contestant, signal: AbortSignal, work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    const outcome = await work();
    await stop(contestant);
    return outcome;
  } catch (error) {
    signal.throwIfAborted();
    await stop(contestant).catch(() => undefined);
    return { metrics: {}, failures: { [error instanceof Error ? error.message : String(error)]: 1 } };
  }
}

/** Ends the load and waits until the server has seen the end of it, so that it is not part of what is measured next. */
async function stop(contestant: Contestant): Promise<void> {
  await contestant.client.request('stop');
  const deadlineMs = monotonicMs() + DRAIN_DEADLINE_MS;
  while ((await contestant.server.request('open')) !== 0 && monotonicMs() < deadlineMs) await sleep(POLL_MS);
}

/** What is sent counts when it has arrived; the client does not know when that is. */
async function readReceived(contestant: Contestant, spec: LoadSpec): Promise<ReceivedBytes | undefined> {
  if (spec.kind !== 'throughput' || spec.direction !== 'up') return undefined;
  return contestant.server.request('received');
}

function readCpu(pids: readonly number[]): { readonly atMs: number; readonly seconds: number } {
  return { atMs: monotonicMs(), seconds: readCpuSeconds(pids) };
}

function memoryMetrics(pids: readonly number[]): Record<string, number> {
  if (pids.length === 0) return {};
  const { residentBytes, anonymousBytes } = readMemory(pids);
  return { resident: residentBytes, anonymous: anonymousBytes };
}

function metricsOf(result: LoadResult, rate: number, cpu: number | undefined): Record<string, number> {
  return {
    rate,
    ...(cpu === undefined ? {} : { cpu }),
    ...result.latencyMs,
    ...(result.lateP99Ms === undefined ? {} : { late: result.lateP99Ms }),
  };
}
