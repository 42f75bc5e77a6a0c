/**
 * Measures parsing a large save and planning the way from there, in milliseconds, in this process that has done nothing
 * else. Arguments: number of samples (1), the save, the wanted save.
 */
import { readFileSync } from 'node:fs';
import { argv, stdout } from 'node:process';
import { buildAmbientPodRules, isEmptyPlan, type Plan, parseSave, plan, type RuleSet } from '@ambientmesh/iptables';
import { BenchError } from '../errors.ts';
import type { Samples } from './figures.ts';

const [, , , savePath = '', wantedPath = ''] = argv;
const baseline = [timeSplit()];
const text = readFileSync(savePath, 'utf8');
const [current, parseMs] = time((): RuleSet => parseSave(text, 'ipv4'));
// Only now: it would have been practice for what is measured.
const wanted = parseSave(readFileSync(wantedPath, 'utf8'), 'ipv4');
const ambient = buildAmbientPodRules({ capture: 'redirect', dns: true });
const [small, ownMs] = time((): Plan => plan(current, ambient.v4, { ownership: ambient.ownership }));
const [large, wholeMs] = time((): Plan => plan(current, wanted));

if (isEmptyPlan(small) || isEmptyPlan(large))
  throw new BenchError('BENCH_AGENT_FAILED', 'no difference was found between saves that differ');
const answer: Record<string, Samples> = {
  parse: { value: [parseMs], baseline },
  parseAndPlan: { value: [parseMs + wholeMs], baseline },
  parseAndPlanOwn: { value: [parseMs + ownMs], baseline },
};
stdout.write(JSON.stringify(answer));

function time<T>(work: () => T): [result: T, milliseconds: number] {
  const start = performance.now();
  const result = work();
  return [result, performance.now() - start];
}

/** In a function, so that the lines are garbage by the time the library makes its own. */
function timeSplit(): number {
  const [count, milliseconds] = time(() => readFileSync(savePath, 'utf8').split('\n').length);
  if (count < 2) throw new BenchError('BENCH_AGENT_FAILED', `${savePath} is no save`);
  return milliseconds;
}
