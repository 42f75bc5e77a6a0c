import type { Spread } from '../statistics.ts';

/** What a script measured: one number a sample, in the unit of its figure. */
export interface Samples {
  readonly value: readonly number[];
  /** The same work without the library, in the same run. */
  readonly baseline: readonly number[];
}

/** A number that a library promises to keep to. */
export interface LibraryFigure {
  /** Of the samples in the script's answer. */
  readonly key: string;
  readonly label: string;
  readonly unit: string;
  readonly baselineLabel: string;
  /** What the median must keep to; without one, the figure is shown only. */
  readonly budget?: number;
  /** What the budget bounds, from above (`most`, if absent) or from below: the median, or its ratio to the baseline's. */
  readonly bound?: 'most' | 'least' | 'most ratio' | 'least ratio';
}

/** A script that measures, run in a process of its own. */
export interface LibraryScript {
  /** File, as seen from this folder; its argument is the number of samples, its answer `Record<key, Samples>` as JSON on stdout. */
  readonly file: string;
  /** In network and process namespaces of its own, with all privileges there. */
  readonly isolated: boolean;
  /** Each sample in a fresh process: what is compiled once counts every time. */
  readonly freshProcesses: boolean;
  readonly figures: readonly LibraryFigure[];
}

const HBONE = '../../../packages/hbone/bench';
const REACTOR = '../../../packages/reactor/bench';
const POLICY = '../../../packages/policy/bench';
const COPIED = { unit: 'GB/s', baselineLabel: 'copying as much', bound: 'least' } as const;
const EVALUATED = { unit: 'us', baselineLabel: 'plain scan of the 20', budget: 5 } as const;
const BESIDE_HTTP2 = { baselineLabel: 'node:http2', bound: 'least ratio' } as const;

const BESIDE_NET = { baselineLabel: 'relay on node:net', bound: 'least ratio' } as const;
const BARE = { unit: 'ns', baselineLabel: 'the bare call' } as const;

/** Budgets are those of the project's issue on these libraries. */
export const SCRIPTS: readonly LibraryScript[] = [
  {
    file: 'measure-sockets.ts',
    isolated: true,
    freshProcesses: false,
    figures: [
      {
        key: 'descriptor',
        label: 'netns: enter, socket, leave, close',
        unit: 'us',
        baselineLabel: 'socket, close',
        budget: 50,
      },
    ],
  },
  {
    file: 'measure-planning.ts',
    isolated: false,
    freshProcesses: true,
    figures: [
      {
        key: 'parseAndPlan',
        label: 'iptables: parse a save of 20,008 rules, plan',
        unit: 'ms',
        baselineLabel: 'read, split in lines',
        budget: 150,
      },
      {
        key: 'parseAndPlanOwn',
        label: '  the same, plan the ambient rules',
        unit: 'ms',
        baselineLabel: 'read, split in lines',
        budget: 150,
      },
      { key: 'parse', label: '  of it parse', unit: 'ms', baselineLabel: 'read, split in lines' },
    ],
  },
  {
    file: 'measure-applying.ts',
    isolated: true,
    freshProcesses: false,
    figures: [
      {
        key: 'processes',
        label: 'iptables: processes per family to apply',
        unit: '',
        baselineLabel: 'iptables-restore',
        budget: 2,
      },
      {
        key: 'apply',
        label: 'iptables: apply the ambient set, v4 and v6',
        unit: 'ms',
        baselineLabel: 'iptables-restore',
      },
      { key: 'again', label: '  again, nothing to do', unit: 'ms', baselineLabel: 'iptables-save' },
    ],
  },
  {
    file: `${HBONE}/codec-samples.ts`,
    isolated: false,
    freshProcesses: false,
    figures: [
      { ...COPIED, key: 'largeIn', label: 'hbone: codec, DATA of 16 KiB received', budget: 5 },
      { ...COPIED, key: 'largeOut', label: '  sent', budget: 5 },
      { ...COPIED, key: 'smallIn', label: '  DATA of 1 KiB received', unit: 'million/s', budget: 5 },
      { ...COPIED, key: 'smallOut', label: '  sent', unit: 'million/s', budget: 5 },
      { key: 'decode', label: '  CONNECT decoded', unit: 'us', baselineLabel: 'its text made', budget: 2 },
      { key: 'decodeLikeH2', label: '  as Rust h2 sends it', unit: 'us', baselineLabel: 'its text made', budget: 2 },
    ],
  },
  {
    file: `${HBONE}/tunnel-samples.ts`,
    isolated: false,
    freshProcesses: false,
    figures: [
      { ...BESIDE_HTTP2, key: 'one', label: 'hbone: tunnel, 1 stream', unit: 'Gbit/s', budget: 1.6 },
      { key: 'oneCpu', label: '  CPU of both ends', unit: 's/GB', baselineLabel: 'node:http2' },
      { ...BESIDE_HTTP2, key: 'many', label: '  16 streams', unit: 'Gbit/s', budget: 1.6 },
      { key: 'manyCpu', label: '  CPU of both ends', unit: 's/GB', baselineLabel: 'node:http2' },
      { ...BESIDE_HTTP2, key: 'roundTrips', label: '  CONNECT round trips', unit: '1/s', budget: 1.5 },
    ],
  },
  {
    file: `${HBONE}/memory-samples.ts`,
    isolated: false,
    freshProcesses: false,
    figures: [
      { key: 'connection', label: 'hbone: an idle connection', unit: 'KiB', baselineLabel: 'node:http2', budget: 60 },
      { key: 'stream', label: '  an idle stream', unit: 'KiB', baselineLabel: 'node:http2', budget: 4 },
      { key: 'whole', label: '  100 with 100 streams each', unit: 'MiB', baselineLabel: 'node:http2', budget: 150 },
    ],
  },
  {
    file: `${REACTOR}/relay-samples.ts`,
    isolated: false,
    freshProcesses: false,
    figures: [
      { ...BESIDE_NET, key: 'one', label: 'reactor: relay, 1 connection', unit: 'Gbit/s', budget: 1.1 },
      { key: 'oneDirect', label: '  beside none', unit: 'Gbit/s', baselineLabel: 'no relay' },
      { ...BESIDE_NET, key: 'cpu', label: '  CPU of it', unit: 's/GB', bound: 'most ratio', budget: 0.8 },
      { ...BESIDE_NET, key: 'many', label: '  8 connections', unit: 'Gbit/s' },
      { ...BESIDE_NET, key: 'roundTrips', label: '  200 octets there and back', unit: '1/s', budget: 1.1 },
      { key: 'roundTripsDirect', label: '  beside none', unit: '1/s', baselineLabel: 'no relay' },
      { ...BESIDE_NET, key: 'connections', label: '  new connections', unit: '1/s', budget: 1.1 },
    ],
  },
  {
    file: `${REACTOR}/call-samples.ts`,
    isolated: false,
    freshProcesses: false,
    figures: [
      { key: 'check', label: 'reactor: check of an address', unit: 'ns', baselineLabel: 'adding', budget: 50 },
      { ...BARE, key: 'read', label: '  read' },
      { ...BARE, key: 'readRefused', label: '  read, refused: errno' },
      { ...BARE, key: 'write', label: '  write' },
      { ...BARE, key: 'turn', label: '  turn with nothing to do', baselineLabel: 'epoll_wait', budget: 2000 },
      { key: 'slab', label: '  slab taken and given', unit: 'ns', baselineLabel: 'nothing', budget: 100 },
      { key: 'timer', label: '  timer set and cancelled', unit: 'ns', baselineLabel: 'the clock', budget: 500 },
    ],
  },
  {
    file: `${POLICY}/evaluation-samples.ts`,
    isolated: false,
    freshProcesses: false,
    figures: [
      { ...EVALUATED, key: 'evaluate', label: 'policy: evaluate, 20 policies of 10,000 apply' },
      { ...EVALUATED, key: 'evaluatePlain', label: '  plain text' },
      { ...EVALUATED, key: 'evaluateIpv6', label: '  all rules of IPv6 ranges' },
      { ...EVALUATED, key: 'evaluatePrefixes', label: '  of prefixes of namespaces' },
      { ...EVALUATED, key: 'evaluateExclusions', label: '  of excluded namespaces, and ports' },
      { key: 'explain', label: '  explain a denial', unit: 'us', baselineLabel: 'plain scan of the 20', budget: 200 },
      { key: 'change', label: '  change one of 10,000', unit: 'us', baselineLabel: 'change one of 20' },
      { key: 'compile', label: '  compile 10,000 of 10 rules', unit: 'ms', baselineLabel: 'checked only' },
    ],
  },
];

/** A figure with what was measured. */
export interface LibraryLine extends LibraryFigure {
  readonly value: Spread;
  readonly baseline: Spread;
  /** Whether the median is within the budget; true without one. */
  readonly ok: boolean;
}

/** Whether a figure keeps to its budget, by the medians of value and baseline. */
export function isWithinBudget({ budget, bound = 'most' }: LibraryFigure, value: number, baseline: number): boolean {
  if (budget === undefined) return true;
  const bounded = bound.endsWith('ratio') ? value / baseline : value;
  return bound.startsWith('most') ? bounded <= budget : bounded >= budget;
}
