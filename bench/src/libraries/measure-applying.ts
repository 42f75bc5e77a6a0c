/**
 * Measures applying the ambient rules, DNS included, to the network namespace of this process, in milliseconds, and
 * counts the processes it takes. Argument: number of samples. To be run in a PID namespace of its own: there every
 * process takes the next number.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { argv, stdout } from 'node:process';
import {
  type AmbientPodRules,
  applyRules,
  buildAmbientPodRules,
  type FamilyTools,
  findTools,
  removeRules,
  renderRestore,
  type Tools,
} from '@ambientmesh/iptables';
import { podNetworking } from '@ambientmesh/lab';
import { Namespace, RouteSocket } from '@ambientmesh/netns';
import { BenchError } from '../errors.ts';
import type { Samples } from './figures.ts';

const FAMILIES = 2;
/** A pod's namespace is another one: it is entered, though it is this one. */
const NAMESPACE = '/proc/self/ns/net';

type Mutable = { [K in keyof Samples]: number[] };

const tools: Tools = await findTools();
const place = { namespace: NAMESPACE, tools, networking: podNetworking };
const rules = buildAmbientPodRules({ capture: 'tproxy', dns: true });
const answer = { processes: emptySamples(), apply: emptySamples(), again: emptySamples() };

bringLoopbackUp();
// The first time, the kernel and Node load what they need.
await applyRules(rules, place);
await removeRules(rules, place);
await restoreBare(rules);
for (let count = Number(argv[2] ?? 1); count > 0; count -= 1) {
  answer.again.baseline.push(await time(saveBare));
  const before = [await flush(), nextPid()] as const;
  answer.apply.baseline.push(await time(() => restoreBare(rules)));
  answer.processes.baseline.push(processesSince(before[1]));
  await flush();
  const start = nextPid();
  answer.apply.value.push(await time(() => applyRules(rules, place)));
  answer.processes.value.push(processesSince(start));
  answer.again.value.push(await time(() => applyRules(rules, place)));
  await removeRules(rules, place);
}
stdout.write(JSON.stringify(answer));

function emptySamples(): Mutable {
  return { value: [], baseline: [] };
}

function bringLoopbackUp(): void {
  // Without an address of its own, IPv6 would be left out.
  const namespace = Namespace.current();
  const routes = RouteSocket.open(namespace);
  routes.setLink('lo', { up: true });
  routes.close();
  namespace.close();
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function nextPid(): number {
  return Number(spawnSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }).stdout);
}

/** Processes per address family, the asking itself not counted. */
function processesSince(pid: number): number {
  return (nextPid() - pid - 1) / FAMILIES;
}

async function restoreBare({ v4, v6 }: AmbientPodRules): Promise<void> {
  const runs: Promise<void>[] = [];
  if (v4 !== undefined) runs.push(runBare(familyTools('v4').restore, ['--noflush'], renderRestore(v4)));
  if (v6 !== undefined) runs.push(runBare(familyTools('v6').restore, ['--noflush'], renderRestore(v6)));
  await Promise.all(runs);
}

async function saveBare(): Promise<void> {
  await Promise.all([runBare(familyTools('v4').save, [], ''), runBare(familyTools('v6').save, [], '')]);
}

/** Everything away, also what `removeRules` would not know of. */
async function flush(): Promise<void> {
  const empty = ['raw', 'mangle', 'nat', 'filter'].map((table) => `*${table}\nCOMMIT\n`).join('');
  await Promise.all([runBare(familyTools('v4').restore, [], empty), runBare(familyTools('v6').restore, [], empty)]);
}

function familyTools(family: 'v4' | 'v6'): FamilyTools {
  const found = tools[family];
  if (found === undefined) throw new BenchError('BENCH_AGENT_FAILED', `no iptables for ${family} (install iptables)`);
  return found;
}

async function runBare(program: string, args: readonly string[], input: string): Promise<void> {
  const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit'], env: tools.env });
  // One that ends early says why by its exit code.
  child.stdin?.on('error', () => undefined).end(input);
  const [code]: unknown[] = await once(child, 'close');
  if (code !== 0) throw new BenchError('BENCH_AGENT_FAILED', `${program} ended with ${String(code)}`);
}
