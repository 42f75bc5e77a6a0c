/**
 * Long fuzzing by hand: `npm run fuzz -w @ambientmesh/hbone -- <target> [seconds] [seed]`. Starts from the committed
 * corpus and what earlier runs found interesting (a folder for temporary files); a finding is written there, made small,
 * and ends the run with exit code 1.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCorpus, readInputs, writeInput } from './corpus.ts';
import { Fuzzer } from './fuzzer.ts';
import { loadInstrumented } from './instrumented.ts';
import { GRAMMARS, TARGETS } from './targets.ts';

const DEFAULT_SECONDS = 60;
const REPORT_MS = 10_000;
const RUNS_BETWEEN_LOOKS = 64;

async function run(name: string, seconds: number, seed: number): Promise<number> {
  const instrumented = await loadInstrumented();
  const target = instrumented.targets[name];
  const grammar = GRAMMARS[name];
  if (target === undefined || grammar === undefined) {
    process.stderr.write(`usage: fuzz <${Object.keys(TARGETS).join('|')}> [seconds] [seed]\n`);
    return 2;
  }
  const folder = join(tmpdir(), 'hbone-fuzz', name);
  const fuzzer = new Fuzzer(target, instrumented, { grammar, seed });
  const begun = performance.now();
  let reported = begun;
  const report = () =>
    process.stdout.write(
      `${name}: ${fuzzer.runs} runs, ${fuzzer.covered} of ${instrumented.branches} branches, ${fuzzer.corpus.length} inputs, seed ${seed}\n`,
    );
  const fail = (error: Error, input: Uint8Array) => {
    const path = writeInput(folder, 'finding-', input);
    process.stderr.write(`${error.stack}\n${path}\n${Buffer.from(input).toString('hex')}\n`);
    return 1;
  };
  for (const input of [...readCorpus(name).values(), ...readInputs(folder).values()]) {
    const finding = fuzzer.add(input);
    if (finding !== undefined) return fail(finding.error, finding.input);
  }
  while (performance.now() - begun < seconds * 1000) {
    for (let runs = 0; runs < RUNS_BETWEEN_LOOKS; runs++) {
      const known = fuzzer.corpus.length;
      const finding = fuzzer.step();
      if (finding !== undefined) return fail(finding.error, finding.input);
      if (fuzzer.corpus.length > known) writeInput(folder, '', fuzzer.corpus[known]!);
    }
    if (performance.now() - reported < REPORT_MS) continue;
    reported = performance.now();
    report();
  }
  report();
  return 0;
}

const [name = '', seconds = DEFAULT_SECONDS, seed = Date.now() % 2 ** 31] = process.argv.slice(2);
process.exitCode = await run(name, Number(seconds), Number(seed));
