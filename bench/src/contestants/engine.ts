import { BenchError } from '../errors.ts';

/** What carries the connections of our ztunnel: values of `ZTUNNEL_ENGINE`. */
export type Engine = 'reactor' | 'node';

const ENGINE_INFO = /^ambientmesh_engine_info\{engine="([^"]*)",reason="((?:[^"\\]|\\.)*)"\} 1$/gm;

/**
 * Whether the text of a ztunnel's `/metrics` tells that its data threads are on `engine`; false while it does not tell.
 * Throws BENCH_ENGINE_FELL_BACK if one of them is on another engine: its numbers would pass for those of `engine`.
 */
export function runsOnEngine(metrics: string, engine: Engine): boolean {
  const taken = [...metrics.matchAll(ENGINE_INFO)];
  for (const [, actual = '', reason = ''] of taken)
    if (actual !== engine)
      throw new BenchError(
        'BENCH_ENGINE_FELL_BACK',
        `want engine ${engine}, data threads are on ${actual}: ${reason.replaceAll(/\\(.)/g, '$1') || 'no reason given'}`,
      );
  return taken.length > 0;
}
