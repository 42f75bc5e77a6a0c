/** Answers samples of the evaluator's costs as JSON, for `npm run bench -- --libraries`. Argument: number of samples. */
import { argv, stdout } from 'node:process';
import { type Connection, compile, readPolicy } from '@ambientmesh/policy';
// oxlint-disable-next-line no-restricted-imports -- only tests have it: it is not published
import { evaluateNaively } from '../src/testing/naive-evaluation.ts';
import { buildLargeMesh, type RuleMix } from './large-mesh.ts';

const EVALUATIONS = 20_000;
const NAIVE_EVALUATIONS = 200;
const EXPLANATIONS = 1000;
const CHANGES = 2000;
const US_A_MS = 1000;
/** Evaluations are slow until they are compiled. */
const WARM_UP = 2;

type Measurement = readonly [measure: () => number, measureBaseline: () => number];

const { policies, bound, workload, connection } = buildLargeMesh('ordinary');
const set = compile(policies);
const small = compile(bound);
const [changed = policies[0]] = bound;
if (changed === undefined) throw new Error('a large mesh without policies');

/** Prepared one after another, so that a mesh of one is gone when the next is measured. */
const work: { readonly [key: string]: () => Measurement } = {
  evaluate: () => measureEvaluation('ordinary'),
  evaluatePlain: () => measureEvaluation('ordinary', { identity: undefined }),
  evaluateIpv6: () => measureEvaluation('ipv6'),
  evaluatePrefixes: () => measureEvaluation('prefixes'),
  evaluateExclusions: () => measureEvaluation('exclusions'),
  explain: () => [
    () => microseconds(EXPLANATIONS, () => set.explain(connection, workload)),
    () => microseconds(NAIVE_EVALUATIONS, () => evaluateNaively(bound, connection, workload)),
  ],
  change: () => [
    () => microseconds(CHANGES, () => set.put(changed)),
    () => microseconds(CHANGES, () => small.put(changed)),
  ],
  compile: () => [
    () => microseconds(1, () => compile(policies)) / US_A_MS,
    () => microseconds(1, () => policies.map(readPolicy)) / US_A_MS,
  ],
};

const samples = Number(argv[2]);
const answer: Record<string, { value: number[]; baseline: number[] }> = {};
for (const [key, prepare] of Object.entries(work)) {
  const [measure, measureBaseline] = prepare();
  for (let run = 0; run < WARM_UP; run++) measure();
  const sample = (measureOne: () => number): number[] => Array.from({ length: samples }, measureOne);
  answer[key] = { value: sample(measure), baseline: sample(measureBaseline) };
}
stdout.write(JSON.stringify(answer));

/** A connection that no rule of a mesh lets pass, beside a scan. Throws if one does. */
function measureEvaluation(mix: RuleMix, over: Partial<Connection> = {}): Measurement {
  const mesh = buildLargeMesh(mix);
  const compiled = compile(mesh.policies);
  const asking = { ...mesh.connection, ...over };
  const scan = (): unknown => evaluateNaively(mesh.bound, asking, mesh.workload);
  if (scan() !== 'NOT_ALLOWED') throw new Error(`the connection of the mesh of ${mix} rules is not the worst case`);
  return [
    () => microseconds(EVALUATIONS, () => compiled.evaluate(asking, mesh.workload)),
    () => microseconds(NAIVE_EVALUATIONS, scan),
  ];
}

/** What one call takes, on average. */
function microseconds(calls: number, call: () => unknown): number {
  const start = performance.now();
  for (let done = 0; done < calls; done++) call();
  return ((performance.now() - start) * US_A_MS) / calls;
}
