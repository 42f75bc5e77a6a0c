import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { IptablesError } from './errors.ts';
import { NAMESPACE_PATH, runTool } from './run-tool.ts';

/** Programs of one address family. */
export interface FamilyTools {
  readonly save: string;
  readonly restore: string;
  /** `nf_tables` programs change the kernel through nftables; `legacy` ones through the older interface. */
  readonly backend: 'nft' | 'legacy';
  /** Extra arguments for writing: how long to wait for the lock that legacy programs share. */
  readonly waitArguments: readonly string[];
}

/** Programs this package runs, found once and passed on. */
export interface Tools {
  readonly nsenter: string;
  readonly ip: string;
  readonly shell: string;
  /** Absent when `nft` is not installed. */
  readonly nft?: string;
  readonly v4: FamilyTools;
  /** Absent when `ip6tables` is not installed. */
  readonly v6?: FamilyTools;
  /** Environment of every run. */
  readonly env: Readonly<Record<string, string>>;
}

/** Where and what to look for; see {@link findTools}. */
export interface FindToolsOptions {
  /** Directories, first match wins. Default {@link DEFAULT_SEARCH_PATH}. */
  readonly searchPath?: readonly string[];
  /** Which variant of iptables. Default: what plain `iptables` is on this machine. */
  readonly backend?: 'nft' | 'legacy';
  readonly signal?: AbortSignal;
}

/** Directories searched for programs; `PATH` is not read, it may be another user's. */
export const DEFAULT_SEARCH_PATH: readonly string[] = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
];

const XTABLES_LOCK = '/run/xtables.lock';
const WAIT_ARGUMENTS: readonly string[] = ['--wait=30'];
/** First legacy version whose restore knows `--wait`. */
const FIRST_WITH_WAIT = [1, 6, 2];

/**
 * Finds `iptables`, `ip6tables`, `ip` and `nsenter`. Throws `IPTABLES_TOOL_MISSING` saying what to install; a missing
 * `ip6tables` is no error before IPv6 rules are applied.
 */
export async function findTools(options?: FindToolsOptions): Promise<Tools> {
  const searchPath = options?.searchPath ?? DEFAULT_SEARCH_PATH;
  const variant = options?.backend === undefined ? '' : `-${options.backend}`;
  const plain: Record<string, string> = { PATH: searchPath.join(':'), LC_ALL: 'C' };
  const [nsenter, ip, shell, nft, v4, v6] = await Promise.all([
    findProgram('nsenter', searchPath),
    findProgram('ip', searchPath),
    findProgram('sh', searchPath),
    findProgram('nft', searchPath),
    findFamily(`iptables${variant}`, searchPath, plain, options?.signal),
    findFamily(`ip6tables${variant}`, searchPath, plain, options?.signal),
  ]);
  if (v4 === undefined) throw missing(`iptables${variant}-restore`, 'iptables');
  if (ip === undefined) throw missing('ip', 'iproute2');
  if (nsenter === undefined) throw missing('nsenter', 'util-linux');
  if (shell === undefined) throw missing('sh', 'dash');
  const env = v4.backend === 'legacy' && !(await canLock()) ? { ...plain, XTABLES_LOCKFILE: NAMESPACE_PATH } : plain;
  return { nsenter, ip, shell, v4, env, ...(nft === undefined ? {} : { nft }), ...(v6 === undefined ? {} : { v6 }) };
}

/** The error for a program that is not there. */
export function missing(program: string, install: string): IptablesError {
  return new IptablesError(
    'IPTABLES_TOOL_MISSING',
    `${program} not found: install ${install} (for example: apt-get install ${install})`,
  );
}

async function findFamily(
  name: string,
  searchPath: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<FamilyTools | undefined> {
  const [save, restore] = await Promise.all(
    ['save', 'restore'].map((part) => findProgram(`${name}-${part}`, searchPath)),
  );
  if (save === undefined || restore === undefined) return undefined;
  const { stdout } = await runTool({ argv: [restore, '--version'], env, signal });
  signal?.throwIfAborted();
  if (stdout.includes('nf_tables')) return { save, restore, backend: 'nft', waitArguments: [] };
  const version = /v(\d+)\.(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number) ?? [0, 0, 0];
  return { save, restore, backend: 'legacy', waitArguments: knowsWait(version) ? WAIT_ARGUMENTS : [] };
}

async function findProgram(name: string, searchPath: readonly string[]): Promise<string | undefined> {
  const paths = searchPath.map((directory) => join(directory, name));
  const found = await Promise.all(paths.map((path) => may(path, constants.X_OK)));
  return paths.find((_, index) => found[index]);
}

async function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

function knowsWait(version: readonly number[]): boolean {
  for (const [index, wanted] of FIRST_WITH_WAIT.entries()) {
    const part = version[index] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}

/** In a user namespace `/run` often belongs to nobody we may be; the namespace itself then serves as the lock. */
async function canLock(): Promise<boolean> {
  if (await may(XTABLES_LOCK, constants.F_OK)) return may(XTABLES_LOCK, constants.R_OK);
  return may('/run', constants.W_OK);
}
