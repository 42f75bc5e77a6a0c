/** One line of the report: a number that every contestant has. */
export interface Figure {
  readonly section: string;
  readonly label: string;
  readonly trial: string;
  readonly metric: string;
  /** By what a sample's metric is multiplied to be shown. */
  readonly scale: number;
  readonly better: 'higher' | 'lower';
}

const BITS_TO_GIGABITS = 8 / 1e9;
const PER_GIGABYTE = 1e9;
const TO_MICROSECONDS = 1e6;
const TO_MEGABYTES = 1e-6;
const TO_KIBIBYTES = 1 / 1_024;
const REQUESTS = '1 KiB there and back, 1000/s on 16 warm connections';

/** All lines, in order; those that nobody has are left out of the report. `heldConnections` is for a heading. */
export function listFigures(heldConnections: number): readonly Figure[] {
  const streams: readonly (readonly [trial: string, label: string])[] = [
    ['up-1', '1 connection up'],
    ['down-1', '1 connection down'],
    ['up-16', '16 connections up'],
    ['down-16', '16 connections down'],
  ];
  const memory = { section: 'Memory of both proxies, MB', scale: TO_MEGABYTES, better: 'lower' } as const;
  const held = `${heldConnections} open`;
  return [
    ...streams.map(([trial, label]): Figure => {
      const section = 'Throughput, Gbit/s';
      return { section, label, trial, metric: 'rate', scale: BITS_TO_GIGABITS, better: 'higher' };
    }),
    ...streams.map(([trial, label]): Figure => {
      const section = 'CPU seconds of both proxies per gigabyte';
      return { section, label, trial, metric: 'cpu', scale: PER_GIGABYTE, better: 'lower' };
    }),
    ...timed('connects', 'New connections, 16 at a time', 'CPU us a connection', 'connections/s'),
    ...timed('requests', REQUESTS, 'CPU us a request'),
    // Part of the latency above it: a client that got no processor in time.
    { section: REQUESTS, label: 'client late p99', trial: 'requests', metric: 'late', scale: 1, better: 'lower' },
    ...timed(
      'keep-alive',
      '1 KiB there and back, as fast as it goes on 64 warm connections',
      'CPU us a request',
      'requests/s',
    ),
    { ...memory, label: 'fresh', trial: 'memory-fresh', metric: 'resident' },
    { ...memory, label: '  of it anonymous', trial: 'memory-fresh', metric: 'anonymous' },
    { ...memory, label: 'idle, warmed up', trial: 'memory-idle', metric: 'resident' },
    { ...memory, label: '  of it anonymous', trial: 'memory-idle', metric: 'anonymous' },
    { ...memory, label: held, trial: 'memory-held', metric: 'resident' },
    { ...memory, label: '  of it anonymous', trial: 'memory-held', metric: 'anonymous' },
    { ...memory, label: 'after all', trial: 'memory-after', metric: 'resident' },
    { ...memory, label: '  of it anonymous', trial: 'memory-after', metric: 'anonymous' },
    {
      section: 'Anonymous memory of both proxies that a further connection adds, KiB',
      label: held,
      trial: 'memory-held',
      metric: 'anonymousPerConnection',
      scale: TO_KIBIBYTES,
      better: 'lower',
    },
  ];
}

function timed(trial: string, section: string, cpuLabel: string, rateLabel?: string): Figure[] {
  const rate: Figure[] =
    rateLabel === undefined ? [] : [{ section, trial, label: rateLabel, metric: 'rate', scale: 1, better: 'higher' }];
  return [
    ...rate,
    { section, trial, label: 'p50 ms', metric: 'p50', scale: 1, better: 'lower' },
    { section, trial, label: 'p99 ms', metric: 'p99', scale: 1, better: 'lower' },
    { section, trial, label: cpuLabel, metric: 'cpu', scale: TO_MICROSECONDS, better: 'lower' },
  ];
}
