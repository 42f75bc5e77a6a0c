import { pid } from 'node:process';
import { DIRECT, startBaselines } from './contestants/baselines.ts';
import type { Contestant, ContestantGroup, Surroundings } from './contestants/contestant.ts';
import { type MeshOptions, startMesh } from './contestants/mesh.ts';
import { bundleOwnZtunnel } from './contestants/own-ztunnel.ts';
import { measureHeldMemory, measureMemory, measureWarmMemory } from './measure/measure-memory.ts';
import { runTrial } from './measure/run-trial.ts';
import type { Sample } from './measure/sample.ts';
import { memoryWarmUp, TRIALS } from './measure/trials.ts';
import { type BenchOptions, MEMORY_TRIAL, NODE_ENGINE, OURS } from './options.ts';

/** Where and for whom to measure. */
export interface BenchContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** Told what is being done, in a few words. */
  readonly onStep: (step: string) => void;
}

/** Everything that was measured. */
export interface BenchOutcome {
  readonly contestants: readonly Pick<Contestant, 'name' | 'description'>[];
  readonly samples: readonly Sample[];
}

/**
 * Brings up all contestants, measures each in turn, round after round, and removes them. Throws what `startLab`
 * and `bundleOwnZtunnel` throw if a contestant does not come up, and BENCH_ENGINE_FELL_BACK; what fails later is in the
 * samples.
 */
export async function runBench(options: BenchOptions, context: BenchContext): Promise<BenchOutcome> {
  const groups: ContestantGroup[] = [];
  try {
    const own = await prepareOwn(options, context);
    for (const start of planGroups(options, own, context)) groups.push(await start());
    const contestants = groups.flatMap((group) => group.contestants);
    const samples = await measureAll(contestants, options, context);
    return { contestants: contestants.map(({ name, description }) => ({ name, description })), samples };
  } finally {
    context.onStep('removing the labs');
    await Promise.all(groups.map((group) => group.close()));
  }
}

/** The project's own ztunnel: a command, or undefined for what the lab starts by itself, the sources. */
async function prepareOwn(options: BenchOptions, context: BenchContext): Promise<readonly string[] | undefined> {
  if (options.sources || (!options.ours && !options.nodeEngine)) return undefined;
  context.onStep('bundling ztunnel');
  return bundleOwnZtunnel(context);
}

/** In the order of the report's columns. */
function planGroups(
  options: BenchOptions,
  own: readonly string[] | undefined,
  context: BenchContext,
): (() => Promise<ContestantGroup>)[] {
  const { environment, signal, onStep } = context;
  const surroundings: Surroundings = { labPrefix: `bench-${pid}`, environment, signal };
  const plans: (() => Promise<ContestantGroup>)[] = [];
  if (options.baselines.size > 0)
    plans.push(() => {
      onStep('starting direct TCP and node:http2');
      return startBaselines(options.baselines, surroundings);
    });
  for (const mesh of planMeshes(options, own))
    plans.push(() => {
      onStep(`starting ${mesh.name}`);
      return startMesh(mesh, surroundings);
    });
  return plans;
}

function planMeshes({ ours, nodeEngine, rivals }: BenchOptions, own: readonly string[] | undefined): MeshOptions[] {
  const command = own === undefined ? {} : { command: own };
  const meshes: MeshOptions[] = [];
  if (ours)
    meshes.push({
      ...command,
      name: OURS,
      description: `the project’s own ztunnel on the reactor engine${own === undefined ? ', from sources' : ''}`,
      engine: 'reactor',
    });
  if (nodeEngine)
    meshes.push({
      ...command,
      name: NODE_ENGINE,
      description: 'the same on the node engine (ZTUNNEL_ENGINE=node): node:net and node:tls',
      engine: 'node',
    });
  for (const rival of rivals) meshes.push({ ...rival, description: rival.command.join(' ') });
  return meshes;
}

async function measureAll(
  contestants: readonly Contestant[],
  options: BenchOptions,
  context: BenchContext,
): Promise<Sample[]> {
  const { signal, onStep } = context;
  const { warmUpSeconds, seconds, rounds, heldConnections, settleSeconds } = options;
  const rest = { settleSeconds, warmUpSeconds: options.memoryWarmUpSeconds, signal };
  const samples: Sample[] = [];
  const withMemory = options.trials.has(MEMORY_TRIAL);
  const proxied = contestants.filter(({ name }) => withMemory && name !== DIRECT);
  for (const contestant of proxied) {
    onStep(`memory of ${contestant.name}`);
    const at = { contestant: contestant.name, round: 0 };
    const warmUp = memoryWarmUp(contestant.host);
    samples.push({ ...at, trial: 'memory-fresh', ...(await measureMemory(contestant, rest)) });
    samples.push({ ...at, trial: 'memory-idle', ...(await measureWarmMemory(contestant, warmUp, rest)) });
    samples.push({ ...at, trial: 'memory-held', ...(await measureHeldMemory(contestant, heldConnections, rest)) });
  }
  for (let round = 1; round <= rounds; round += 1)
    for (const trial of TRIALS.filter(({ name }) => options.trials.has(name)))
      for (const contestant of rotate(contestants, round)) {
        onStep(`round ${round} of ${rounds}: ${trial.title}, ${contestant.name}`);
        const outcome = await runTrial(contestant, trial, { warmUpSeconds, seconds, signal });
        samples.push({ contestant: contestant.name, trial: trial.name, round, ...outcome });
      }
  for (const contestant of proxied) {
    const outcome = await measureMemory(contestant, rest);
    samples.push({ contestant: contestant.name, trial: 'memory-after', round: rounds, ...outcome });
  }
  for (const contestant of contestants) samples.push(...(await reportRestarts(contestant, rounds)));
  return samples;
}

/** Nobody always comes first, or always after the same one. */
function rotate(contestants: readonly Contestant[], round: number): Contestant[] {
  const first = round % contestants.length;
  return [...contestants.slice(first), ...contestants.slice(0, first)];
}

async function reportRestarts(contestant: Contestant, round: number): Promise<Sample[]> {
  const restarts = await contestant.restarts();
  if (restarts === 0) return [];
  return [
    { contestant: contestant.name, trial: 'restarts', round, metrics: {}, failures: { 'proxy ended': restarts } },
  ];
}
