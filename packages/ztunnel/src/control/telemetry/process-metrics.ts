import { readdir } from 'node:fs/promises';
import type { WorkloadCounters } from '@ambientmesh/zds';
import type { MetricFamily } from './open-metrics.ts';

/** Numbers of the process, first in the text. */
export async function processFamilies(maxDescriptors: number): Promise<MetricFamily[]> {
  return [
    family('process_open_fds', 'Number of open file descriptors', await openDescriptors()),
    family('process_max_fds', 'Maximum number of file descriptors', maxDescriptors),
  ];
}

/** `istio_build`: which build this is. */
export function buildFamily(istioVersion: string): MetricFamily {
  return {
    name: 'istio_build',
    kind: 'gauge',
    help: 'Istio component build info.',
    samples: [
      {
        labels: [
          ['component', 'ztunnel'],
          ['tag', istioVersion],
        ],
        value: 1,
      },
    ],
  };
}

/** Numbers of pods (spec zds.md §12), last in the text. */
export function workloadFamilies(counters: WorkloadCounters): MetricFamily[] {
  return [
    family(
      'workload_manager_active_proxy_count',
      'The total number current workloads with active proxies (unstable).',
      counters.activeCount,
    ),
    family(
      'workload_manager_pending_proxy_count',
      'The total number current workloads with pending proxies (unstable).',
      counters.pendingCount,
    ),
    {
      ...family(
        'workload_manager_proxies_started',
        'The total number of proxies that were started (unstable).',
        counters.startedTotal,
      ),
      kind: 'counter',
    },
    {
      ...family(
        'workload_manager_proxies_stopped',
        'The total number of proxies that were stopped (unstable).',
        counters.stoppedTotal,
      ),
      kind: 'counter',
    },
  ];
}

function family(name: string, help: string, value: number | undefined): MetricFamily {
  return { name, kind: 'gauge', help, samples: value === undefined ? [] : [{ labels: [], value }] };
}

async function openDescriptors(): Promise<number | undefined> {
  try {
    // One of them is the folder itself, being read.
    return (await readdir('/proc/self/fd')).length - 1;
  } catch {
    return undefined;
  }
}
