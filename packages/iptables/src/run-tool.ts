import { spawn } from 'node:child_process';
import { IptablesError } from './errors.ts';
import { missing } from './missing-tool.ts';
import type { OpenNamespace } from './namespace.ts';

/** One run of a program inside of a network namespace. */
export interface ToolCommand {
  /** Path of `nsenter`; not needed in the current namespace. */
  readonly nsenter?: string | undefined;
  /** Path of the program, then its arguments. */
  readonly argv: readonly [string, ...string[]];
  /** Bytes for its standard input; empty if absent. */
  readonly input?: string;
  /** Its whole environment: nothing of this process's own is passed on. */
  readonly env: Readonly<Record<string, string>>;
  /** Aborting kills it. */
  readonly signal?: AbortSignal | undefined;
}

/** How it ended. */
export interface ToolResult {
  /** Exit status; -1 when a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  /** What it printed there; after that, which signal ended it, if one did. */
  readonly stderr: string;
}

/** The namespace's number in the child: the first one after the standard three. */
const NAMESPACE_FD = 3;
/** Longer than the 30 s that legacy tools wait for their lock. */
const TOOL_TIMEOUT_MS = 45_000;
/** A save of 100,000 rules is about 15 MB. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Path of the namespace as the child sees it. */
export const NAMESPACE_PATH = `/proc/self/fd/${NAMESPACE_FD}`;

/**
 * Runs a program in `namespace` and waits for its end; a non-zero status is a result, not an error. Throws
 * `IPTABLES_TOOL_MISSING` if it cannot be started, `IPTABLES_PERMISSION` or `IPTABLES_NAMESPACE_GONE` if the namespace
 * cannot be entered, and the signal's reason after an abort.
 */
export async function runInNamespace(namespace: OpenNamespace, command: ToolCommand): Promise<ToolResult> {
  command.signal?.throwIfAborted();
  const { nsenter, ...rest } = command;
  const result = await runTool({ ...rest, argv: argvIn(namespace, nsenter, command.argv) }, namespace.fd);
  command.signal?.throwIfAborted();
  if (result.status !== 0 && result.stderr.startsWith('nsenter:')) throw enterError(namespace, result.stderr);
  return result;
}

function argvIn(namespace: OpenNamespace, nsenter: string | undefined, argv: ToolCommand['argv']): ToolCommand['argv'] {
  if (namespace.current === true) return argv;
  if (nsenter === undefined) throw missing('nsenter', 'util-linux');
  return [nsenter, `--net=${NAMESPACE_PATH}`, '--', ...argv];
}

/** Runs a program where this process is, with `inherited` as its descriptor 3 if given. Throws as {@link runInNamespace}. */
export function runTool(command: Omit<ToolCommand, 'nsenter'>, inherited?: number): Promise<ToolResult> {
  const [file, ...args] = command.argv;
  const child = spawn(file, args, {
    env: { ...command.env },
    stdio: ['pipe', 'pipe', 'pipe', inherited ?? 'ignore'],
    timeout: TOOL_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    signal: command.signal,
  });
  const { stdin, stdout, stderr } = child;
  const output: { readonly stdout: Buffer[]; readonly stderr: Buffer[] } = { stdout: [], stderr: [] };
  let bytes = 0;
  const collect = (into: Buffer[]) => (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_OUTPUT_BYTES) child.kill('SIGKILL');
    else into.push(chunk);
  };
  return new Promise((resolve, reject) => {
    child.on('error', (cause) => {
      // After an abort `close` follows, and only then is the program really gone.
      if (command.signal?.aborted !== true)
        reject(new IptablesError('IPTABLES_TOOL_MISSING', `start ${file}: ${cause.message}`, { cause }));
    });
    child.on('close', (status, signal) => {
      const ended = signal === null ? '' : endedBy(signal, bytes);
      resolve({ status: status ?? -1, stdout: text(output.stdout), stderr: `${text(output.stderr)}${ended}` });
    });
    stdout?.on('data', collect(output.stdout));
    stderr?.on('data', collect(output.stderr));
    // A program that ends without reading its input is judged by its status.
    stdin?.on('error', () => {});
    stdin?.end(command.input ?? '');
  });
}

/** Without it, a program that was killed would fail without a word. */
function endedBy(signal: NodeJS.Signals, outputBytes: number): string {
  const limit =
    outputBytes > MAX_OUTPUT_BYTES
      ? `its output was longer than ${MAX_OUTPUT_BYTES} bytes`
      : `it may run for ${TOOL_TIMEOUT_MS / 1000} s`;
  return `ended by ${signal} (${limit})`;
}

function text(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString();
}

function enterError(namespace: OpenNamespace, stderr: string): IptablesError {
  const said = stderr.trim().split('\n').at(-1) ?? '';
  if (/not permitted|denied/i.test(said))
    return new IptablesError(
      'IPTABLES_PERMISSION',
      `enter network namespace ${namespace.label}: ${said} (needs root, or CAP_SYS_ADMIN in its user namespace)`,
    );
  if (said.startsWith('nsenter: reassociate'))
    return new IptablesError('IPTABLES_NAMESPACE_GONE', `enter network namespace ${namespace.label}: ${said}`);
  return new IptablesError('IPTABLES_TOOL_MISSING', `run in network namespace ${namespace.label}: ${said}`);
}
