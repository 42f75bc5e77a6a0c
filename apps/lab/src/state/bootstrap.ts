import { readFileSync } from 'node:fs';

/** Capabilities by number, linux/capability.h. */
const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

/** Where the lab's processes see things; each is on a tmpfs of the lab's own. */
export const LAB_RUN = '/run/lab';
/** The folder of all labs of the user, bound into the lab: it may lie under the machine's `/run`, which the lab hides. */
export const LABS_INSIDE = '/run/labs';

/**
 * Process 1 of the lab. Its end is the end of everything: the kernel kills what is left in the PID namespace and drops
 * the namespaces. It reaps orphans (Node would not), and ends the supervisor when the starter's pipe (stdin) closes
 * before the word `keep` came through it. Stdout is the supervisor's alone, to report to the starter.
 */
export const BOOTSTRAP_SCRIPT = `
set -eu
base=$1 name=$2
shift 2
exec 3<&0 </dev/null
mkdir -p "$base/$name/run"
mount -n -t tmpfs -o mode=0755 tmpfs "$base/$name/run"
mkdir -p "$base/$name/run/netns" "$base/$name/run/lab" "$base/$name/run/labs"
mount -n --bind "$base" "$base/$name/run/labs"
mount -n --move "$base/$name/run" /run
cd /
"$@" 3<&- &
supervisor=$!
( if IFS= read -r word <&3 && [ "$word" = keep ]; then exit 0; fi
  kill -TERM $supervisor; sleep 5; kill -KILL $supervisor ) >/dev/null 2>&1 &
exec 3<&- >&2
code=0
wait $supervisor || code=$?
rm -rf "/run/labs/$name"
exit $code
`;

/** Names of files in a lab's folder. */
export const BOOTSTRAP_FILE = 'bootstrap.sh';
export const CONFIG_FILE = 'config.json';

/** The command that puts `command` into namespaces of its own, by way of the script in the lab's folder; `privileged` means root with the capabilities for it. */
export function buildBootstrapCommand(options: {
  readonly basePath: string;
  readonly name: string;
  readonly privileged: boolean;
  readonly command: readonly string[];
}): string[] {
  const { basePath, name, privileged, command } = options;
  return buildUnshareCommand(privileged, ['sh', `${basePath}/${name}/${BOOTSTRAP_FILE}`, basePath, name, ...command]);
}

/** The command that runs `command` in namespaces as a lab has them, all of which end with it. `privileged` as above. */
export function buildUnshareCommand(privileged: boolean, command: readonly string[]): string[] {
  const namespaces = ['--mount', '--net', '--pid', '--ipc', ...(privileged ? [] : ['--user', '--map-root-user'])];
  const lifetime = ['--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];
  return ['unshare', ...namespaces, ...lifetime, '--', ...command];
}

/** Whether `/proc/self/status` says that the process may make namespaces without a user namespace. */
export function isPrivileged(status: string = readFileSync('/proc/self/status', 'utf8')): boolean {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return ((effective >> CAP_SYS_ADMIN) & 1n) === 1n && ((effective >> CAP_NET_ADMIN) & 1n) === 1n;
}
