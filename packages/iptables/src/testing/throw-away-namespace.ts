import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A network namespace of a test, and the process that holds it. */
export interface ThrowAwayNamespace extends AsyncDisposable {
  readonly pid: number;
  /** Path, as long as the process lives. */
  readonly namespace: string;
  /** Runs a shell command there and gives back what it prints; throws if it fails. */
  inside(command: string, input?: string): string;
  /** Everything a mistake could show up in, of both families, without counters and dates. */
  state(): string;
  /** Ends the process at once. */
  kill(): Promise<void>;
}

const EVERYTHING =
  'iptables-save; ip6tables-save; for f in -4 -6; do ip $f rule; ip $f route show table all 2>/dev/null; done; true';

/** A namespace that lives as long as a process which ends when we do: it waits for its input to end. */
export async function openThrowAway(
  prepare = 'ip link set lo up',
  unshare: readonly string[] = ['-n'],
): Promise<ThrowAwayNamespace> {
  const child = spawn('unshare', [...unshare, 'sh', '-c', `${prepare}; echo ready; exec cat`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const namespace = `/proc/${child.pid}/ns/net`;
  const inside = (command: string, input = '') =>
    execFileSync('nsenter', [`--net=${namespace}`, 'sh', '-c', command], { encoding: 'utf8', input, stdio: 'pipe' });
  const end = async (finish: () => void) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    finish();
    await once(child, 'close');
  };
  return {
    pid: child.pid ?? 0,
    namespace,
    inside,
    state: () => withoutCounters(inside(EVERYTHING)),
    kill: () => end(() => child.kill('SIGKILL')),
    [Symbol.asyncDispose]: () => end(() => child.stdin.end()),
  };
}

/** A save without what differs from run to run. */
export function withoutCounters(save: string): string {
  const lines = save.split('\n').filter((line) => !line.startsWith('#'));
  return lines.map((line) => line.replace(/ \[\d+:\d+\]$/, '')).join('\n');
}
