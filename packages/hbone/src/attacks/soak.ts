/** Every attack, many times as large: `npm run soak` (optionally a factor, and a part of the attacks' names). */
import { Arena, judge } from './arena.ts';
import { ATTACKS } from './attacks.ts';

const FACTOR = 20;
const REST_ROUND_TRIPS = 500;

const [, , factor = String(FACTOR), part = ''] = process.argv;
const arena = await Arena.open(true);
const say = (text: string): void => void process.stdout.write(`${text}\n`);
let failures = 0;
const rest = await arena.rest(REST_ROUND_TRIPS);
say(`at rest: longest round trip ${rest.wallMs.toFixed(1)} ms, computing ${rest.cpuMs.toFixed(1)} ms`);
for (const attack of ATTACKS.filter(({ name }) => name.includes(part))) {
  for (const side of ['server', 'client'] as const) {
    if (attack[side] === undefined) continue;
    const startMs = performance.now();
    try {
      const outcome = await arena.play(attack, side, Number(factor));
      const { stall, heldBytes, dials } = outcome;
      const problems = judge(attack, side, outcome);
      if (problems.length > 0) failures += 1;
      const verdict = problems.length > 0 ? `FAILED ${problems.join('; ')} ${JSON.stringify(outcome.report)}` : 'ok';
      const figures = `stall ${stall.cpuMs.toFixed(1)}/${stall.wallMs.toFixed(1)} ms, ${(heldBytes / 1e6).toFixed(1)} MB, ${dials} dials`;
      say(`${side} ${attack.name}: ${figures}, ${(performance.now() - startMs).toFixed(0)} ms: ${verdict}`);
    } catch (error) {
      failures += 1;
      say(`${side} ${attack.name}: FAILED ${String(error)}`);
    }
  }
}
await arena.close();
if (failures > 0) process.exitCode = 1;
