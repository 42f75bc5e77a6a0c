/** Answers samples of the evaluator's costs as JSON, for `npm run bench -- --libraries`. Argument: number of samples. */
import { argv, stdout } from 'node:process';
import { compile, readPolicy } from '@ambientmesh/policy';
// oxlint-disable-next-line no-restricted-imports -- only tests have it: it is not published
import { evaluateNaively } from '../src/testing/naive-evaluation.ts';
import { buildLargeMesh } from './large-mesh.ts';

const EVALUATIONS = 20_000;
const NAIVE_EVALUATIONS = 200;
const EXPLANATIONS = 1000;
const CHANGES = 2000;
const US_A_MS = 1000;
/** Evaluations are slow until they are compiled. */
const WARM_UP = 2;

const { policies, bound, workload, connection } = buildLargeMesh();
const set = compile(policies);
const small = compile(bound);
const [changed = policies[0]] = bound;
const plain = { ...connection, identity: undefined };
if (changed === undefined || evaluateNaively(bound, connection, workload) !== 'NOT_ALLOWED')
  throw new Error('the connection of the large mesh is not the worst case');

const work = {
  evaluate: [
    () => microseconds(EVALUATIONS, () => set.evaluate(connection, workload)),
    () => microseconds(NAIVE_EVALUATIONS, () => evaluateNaively(bound, connection, workload)),
  ],
  evaluatePlain: [
    () => microseconds(EVALUATIONS, () => set.evaluate(plain, workload)),
    () => microseconds(NAIVE_EVALUATIONS, () => evaluateNaively(bound, plain, workload)),
  ],
  explain: [
    () => microseconds(EXPLANATIONS, () => set.explain(connection, workload)),
    () => microseconds(NAIVE_EVALUATIONS, () => evaluateNaively(bound, connection, workload)),
  ],
  change: [() => microseconds(CHANGES, () => set.put(changed)), () => microseconds(CHANGES, () => small.put(changed))],
  compile: [
    () => microseconds(1, () => compile(policies)) / US_A_MS,
    () => microseconds(1, () => policies.map(readPolicy)) / US_A_MS,
  ],
} as const;

const samples = Number(argv[2]);
const answer: Record<string, { value: number[]; baseline: number[] }> = {};
for (const [key, [measure, measureBaseline]] of Object.entries(work)) {
  for (let run = 0; run < WARM_UP; run++) measure();
  const sample = (measureOne: () => number): number[] => Array.from({ length: samples }, measureOne);
  answer[key] = { value: sample(measure), baseline: sample(measureBaseline) };
}
stdout.write(JSON.stringify(answer));

/** What one call takes, on average. */
function microseconds(calls: number, call: () => unknown): number {
  const start = performance.now();
  for (let done = 0; done < calls; done++) call();
  return ((performance.now() - start) * US_A_MS) / calls;
}
