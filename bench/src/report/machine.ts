import { cpus, loadavg, release, totalmem } from 'node:os';
import { arch, version } from 'node:process';

/** Where the numbers come from. */
export interface Machine {
  readonly kernel: string;
  readonly architecture: string;
  readonly node: string;
  readonly cores: number;
  readonly cpuModel: string;
  readonly memoryBytes: number;
  /** Of the last minute, before anything was started: what else the machine was doing. */
  readonly loadAverage: number;
  /** ISO 8601. */
  readonly startedAt: string;
}

/** Describes this machine, now. */
export function describeMachine(): Machine {
  const processors = cpus();
  return {
    kernel: release(),
    architecture: arch,
    node: version,
    cores: processors.length,
    cpuModel: processors[0]?.model.trim() ?? 'unknown',
    memoryBytes: totalmem(),
    loadAverage: loadavg()[0] ?? 0,
    startedAt: new Date().toISOString(),
  };
}
