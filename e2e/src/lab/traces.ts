import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What anything of a lab of `TEST_TOPOLOGY` would be known by: names, addresses, chains, files. */
const MARKS =
  /sleep|httpbin|outside|node[12]|\bnodes\b|pod\d|ISTIO|KUBE|172\.30\.0\.|10\.244\.|10\.96\.|fd00:(?:172|10):|ambientmesh|e2e-|^forwarding/;

/** What of the machine a lab could have changed, a line each: network, firewall, mounts, names, temporary files. */
export type MachineState = ReadonlySet<string>;

/** Looks at the machine. */
export function machineState(): MachineState {
  return new Set([
    ...linesOf('namespace', run('ip', 'netns', 'list')),
    ...linesOf('link', run('ip', '-o', 'link')),
    ...linesOf('address', run('ip', '-o', 'addr')),
    ...linesOf('route', run('ip', 'route', 'show', 'table', 'all')),
    ...linesOf('route', run('ip', '-6', 'route', 'show', 'table', 'all')),
    ...linesOf('rule', run('ip', 'rule') + run('ip', '-6', 'rule')),
    ...linesOf('firewall', run('iptables-save') + run('ip6tables-save')),
    ...linesOf('mount', readFileSync('/proc/self/mounts', 'utf8')),
    ...linesOf('forwarding', readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8')),
    ...linesOf('host', readFileSync('/etc/hosts', 'utf8')),
    // The folder of all labs of the user stays; `hasStateDirectory` looks into it.
    ...readdirSync(tmpdir())
      .filter((entry) => !entry.startsWith('ambientmesh-lab-'))
      .map((entry) => `file ${entry}`),
  ]);
}

/** What of a lab has come to the machine, or was taken from it, since `before`. What neighbours do meanwhile does not count. */
export function traces(before: MachineState): string[] {
  const now = machineState();
  const come = [...now].filter((line) => !before.has(line));
  const gone = [...before].filter((line) => !now.has(line));
  return [...come, ...gone].filter((line) => MARKS.test(line));
}

/** Process ids of all processes in the PID namespace of a lab, which `pidNamespaceOf` has named while it was up. */
export function processesIn(pidNamespace: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => pidNamespaceOf(Number(pid)) === pidNamespace)
    .map(Number);
}

/** Name of a process's PID namespace; undefined if it has ended. */
export function pidNamespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

/** Whether the folder of a lab is still there, in the user's folder of labs. */
export function hasStateDirectory(name: string): boolean {
  return [process.env['XDG_RUNTIME_DIR'], tmpdir()].some(
    (base) =>
      base !== undefined &&
      (existsSync(join(base, 'ambientmesh-lab', name)) ||
        existsSync(join(base, `ambientmesh-lab-${process.getuid?.()}`, name))),
  );
}

function linesOf(kind: string, text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `${kind} ${line}`);
}

function run(...[command = '', ...args]: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}
