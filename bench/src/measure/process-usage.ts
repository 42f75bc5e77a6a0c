import { readFileSync } from 'node:fs';

/** `sysconf(_SC_CLK_TCK)` is 100 on every architecture Node runs on; the kernel's own tick does not matter here. */
const TICKS_PER_SECOND = 100;
/** Where user and system time are in `/proc/PID/stat` after the command's name, proc_pid_stat(5): fields 14 and 15. */
const USER_TIME_INDEX = 11;
const SYSTEM_TIME_INDEX = 12;
const BYTES_PER_KIB = 1_024;

/** Memory of some processes together, in bytes. Pages they share count for each of them. */
export interface MemoryUse {
  readonly residentBytes: number;
  /** Of these, what is backed by no file: heaps and stacks. */
  readonly anonymousBytes: number;
}

/** CPU time, in seconds, that some processes have used so far: all threads, also ended ones. Throws if one of them has ended. */
export function readCpuSeconds(pids: readonly number[]): number {
  return (
    pids.reduce((sum, pid) => sum + parseCpuTicks(readFileSync(`/proc/${pid}/stat`, 'utf8')), 0) / TICKS_PER_SECOND
  );
}

/** Memory of some processes. Throws if one of them has ended. */
export function readMemory(pids: readonly number[]): MemoryUse {
  const rollups = pids.map((pid) => readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  return {
    residentBytes: sumOf(rollups, /^Rss:\s+(\d+) kB$/m),
    anonymousBytes: sumOf(rollups, /^Anonymous:\s+(\d+) kB$/m),
  };
}

/** A process and all below it, as this machine numbers them. */
export function listProcessTree(pid: number): number[] {
  return [pid, ...listChildren(pid).flatMap(listProcessTree)];
}

/** The process below `ancestor` that calls itself `pid` in its own PID namespace; undefined if there is none. */
export function findByInnerPid(ancestor: number, pid: number): number | undefined {
  return listProcessTree(ancestor).find((candidate) => innerPidOf(candidate) === pid);
}

/** User and system time from the text of `/proc/PID/stat`, in ticks. The command's name may contain anything. */
export function parseCpuTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[USER_TIME_INDEX]) + Number(fields[SYSTEM_TIME_INDEX]);
}

function listChildren(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    // It has ended meanwhile.
    return [];
  }
}

function innerPidOf(pid: number): number | undefined {
  try {
    const numbers = /^NSpid:(.*)$/m
      .exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      ?.trim()
      .split(/\s+/);
    return Number(numbers?.at(-1));
  } catch {
    return undefined;
  }
}

function sumOf(texts: readonly string[], kibibytes: RegExp): number {
  return texts.reduce((sum, text) => sum + Number(kibibytes.exec(text)?.[1] ?? 0), 0) * BYTES_PER_KIB;
}
