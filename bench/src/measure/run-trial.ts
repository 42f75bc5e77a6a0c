import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant } from '../contestants/contestant.ts';
import { monotonicMs } from '../load/monotonic.ts';
import { type LoadResult, type LoadSpec, type ReceivedBytes, STARVED } from '../load/protocol.ts';
import { guardLoad, type Outcome } from './guarded-load.ts';
import { readCpuSeconds } from './process-usage.ts';
import type { Trial } from './trials.ts';

/** How long a measurement takes. */
export interface Timing {
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

/** Measures one trial; whatever goes wrong is a failure in the outcome, except that `signal` has been given. */
export async function runTrial(contestant: Contestant, trial: Trial, timing: Timing): Promise<Outcome> {
  return guardLoad(contestant, timing.signal, async () => {
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

/** What is sent counts when it has arrived; the client does not know when that is. */
async function readReceived(contestant: Contestant, spec: LoadSpec): Promise<ReceivedBytes | undefined> {
  if (spec.kind !== 'throughput' || spec.direction !== 'up') return undefined;
  return contestant.server.request('received');
}

function readCpu(pids: readonly number[]): { readonly atMs: number; readonly seconds: number } {
  return { atMs: monotonicMs(), seconds: readCpuSeconds(pids) };
}

function metricsOf(result: LoadResult, rate: number, cpu: number | undefined): Record<string, number> {
  return {
    rate,
    ...(cpu === undefined ? {} : { cpu }),
    ...result.latencyMs,
    ...(result.lateP99Ms === undefined ? {} : { late: result.lateP99Ms }),
  };
}
