import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What of the machine a lab could have changed. */
export interface MachineState {
  readonly namespaces: string;
  readonly links: string;
  readonly addresses: string;
  readonly routes: string;
  readonly rules: string;
  readonly mounts: string;
  readonly forwarding: string;
  readonly hosts: string;
  /** Names of the temporary folder's entries but the folder of labs, which stays. */
  readonly temporary: readonly string[];
}

/** Looks at the machine's own network, firewall, mounts and files. */
export function machineState(): MachineState {
  return {
    namespaces: run('ip', 'netns', 'list'),
    links: run('ip', '-o', 'link').replaceAll(/ (?:state|mode|group|qlen) \S+/g, ''),
    addresses: run('ip', '-o', 'addr').replaceAll(/(?:valid|preferred)_lft \S+/g, ''),
    routes: run('ip', 'route') + run('ip', '-6', 'route').replaceAll(/ expires \S+/g, '') + run('ip', 'rule'),
    rules: [run('iptables-save'), run('ip6tables-save')]
      .join('')
      .replaceAll(/^#.*\n/gm, '')
      .replaceAll(/\[\d+:\d+\]/g, ''),
    mounts: readFileSync('/proc/self/mounts', 'utf8'),
    forwarding: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'),
    hosts: readFileSync('/etc/hosts', 'utf8'),
    temporary: readdirSync(tmpdir()).filter((entry) => !entry.startsWith('ambientmesh-lab-')),
  };
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

function run(...[command = '', ...args]: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}
