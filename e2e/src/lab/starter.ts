/** A program that starts a lab, tells about it in one line of JSON and waits: `node starter.ts NAME [COMMAND…]`. */
import { argv, env, stdout } from 'node:process';
import { startLab } from '@ambientmesh/lab';
import { TEST_TOPOLOGY } from './test-topology.ts';

/** What the starter says when its lab is up. */
export interface StarterReport {
  readonly initPid: number;
  /** What `COMMAND` in the pod `sleep` printed. */
  readonly output: string;
}

const [, , name = 'default', ...command] = argv;
const lab = await startLab({ name, topology: TEST_TOPOLOGY, environment: env });
const output = command.length === 0 ? '' : (await lab.exec('sleep', command)).stdout;
const report: StarterReport = { initPid: lab.initPid, output };
stdout.write(`${JSON.stringify(report)}\n`);
process.stdin.resume();
process.stdin.on('end', () => {
  lab.close().catch((error: unknown) => {
    throw error;
  });
});
