import { type Environment, integerProblem } from './environment.ts';

/** How many data threads there are. */
export interface WorkerThreads {
  /** By the rules of the reference (spec ztunnel.md §3.4); what the configuration shows. */
  readonly configured: number;
  /** Threads to start; 0: the data plane runs in the main thread. */
  readonly dataThreads: number;
}

/** Share of the processors that the reference takes by default, and its least number. */
const defaultShare = 0.25;
const leastDefault = 2;

/**
 * Data threads. A number that was asked for (`ZTUNNEL_WORKER_THREADS`, `concurrency`) is what is started. Otherwise it is
 * one for two cores: a second thread on two cores was measured to cost new connections and memory (design data-path.md).
 */
export function parseWorkerThreads(
  environment: Environment,
  machine: { readonly cores: number; readonly concurrency: number | undefined },
): WorkerThreads {
  const limit = cpuQuantity(environment, 'ZTUNNEL_RESOURCE_CPU_LIMIT');
  const request = cpuQuantity(environment, 'ZTUNNEL_RESOURCE_CPU_REQUEST');
  const oldLimit = environment.integer('ZTUNNEL_CPU_LIMIT', machine.cores, 1);
  const cpus = limit ?? oldLimit;
  const text = environment.text('ZTUNNEL_WORKER_THREADS');
  if (text === 'main') return { configured: 1, dataThreads: 0 };
  const asked = text === undefined ? askedByConcurrency(machine.concurrency, cpus) : askedBy(environment, text, cpus);
  if (asked !== undefined) return { configured: asked, dataThreads: asked };
  const configured =
    limit === undefined
      ? Math.max(Math.ceil(cpus * defaultShare), request ?? 0, leastDefault)
      : Math.max(limit, request ?? 0);
  return { configured, dataThreads: Math.max(1, Math.min(configured, Math.floor(cpus / 2))) };
}

function askedByConcurrency(concurrency: number | undefined, cpus: number): number | undefined {
  return concurrency === 0 ? cpus : concurrency;
}

function askedBy(environment: Environment, text: string, cpus: number): number {
  const percent = text.endsWith('%');
  const digits = percent ? text.slice(0, -1) : text;
  const problem = integerProblem(digits);
  const amount = Number(digits);
  if (problem !== undefined) {
    environment.refuse('ZTUNNEL_WORKER_THREADS', `invalid ${percent ? 'percentage' : 'number'}: ${problem}`);
  } else if (percent && (amount < 1 || amount > 100)) {
    environment.refuse('ZTUNNEL_WORKER_THREADS', 'percentage must be between 0 and 100');
  } else {
    return percent ? Math.max(1, Math.ceil((cpus * amount) / 100)) : amount === 0 ? cpus : amount;
  }
  return 1;
}

/** A Kubernetes CPU quantity (`2`, `0.5`, `500m`), rounded up to whole cores. */
function cpuQuantity(environment: Environment, name: string): number | undefined {
  const text = environment.text(name);
  if (text === undefined) return undefined;
  const milli = text.endsWith('m');
  const digits = milli ? text.slice(0, -1) : text;
  if (!/^\d+(?:\.\d+)?$|^\.\d+$/.test(digits)) {
    environment.refuse(name, 'invalid float literal');
    return undefined;
  }
  const cores = Number(digits) / (milli ? 1000 : 1);
  if (cores > 0) return Math.ceil(cores);
  environment.refuse(name, 'must be a positive CPU quantity');
  return undefined;
}
