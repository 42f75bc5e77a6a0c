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
  /** The median must not be more. Without one, the figure is shown only. */
  readonly budget?: number;
}

/** A script that measures, run in a process of its own. */
export interface LibraryScript {
  /** File in this folder; its argument is the number of samples, its answer `Record<key, Samples>` as JSON on stdout. */
  readonly file: string;
  /** In network and process namespaces of its own, with all privileges there. */
  readonly isolated: boolean;
  /** Each sample in a fresh process: what is compiled once counts every time. */
  readonly freshProcesses: boolean;
  readonly figures: readonly LibraryFigure[];
}

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
];

/** A figure with what was measured. */
export interface LibraryLine extends LibraryFigure {
  readonly value: Spread;
  readonly baseline: Spread;
  /** Whether the median is within the budget; true without one. */
  readonly ok: boolean;
}
