import { findProgram } from './find-program.ts';
import { runTool } from './run-tool.ts';

/** Programs of one address family. */
export interface FamilyTools {
  readonly save: string;
  readonly restore: string;
  /** `nft` programs change the kernel through nftables; `legacy` ones through the older interface. */
  readonly backend: 'nft' | 'legacy';
  /** Extra arguments for writing: how long to wait for the lock that legacy programs share. */
  readonly waitArguments: readonly string[];
}

/** Which of the two interfaces a program uses, and its version. */
export interface Variant {
  readonly backend: 'nft' | 'legacy';
  /** Such as 1.8.9; 0.0.0 for a program too old to say. */
  readonly version: string;
}

/** How programs are looked for and run. */
export interface ToolSearch {
  readonly searchPath: readonly string[];
  /** How long legacy programs are to wait for their lock. */
  readonly lockWaitSeconds: number;
  readonly signal?: AbortSignal | undefined;
}

/** As long as the reference waits for the lock (spec section 1). */
export const DEFAULT_LOCK_WAIT_SECONDS = 30;

/** Less than a program may run for at all. */
const MAX_LOCK_WAIT_SECONDS = 40;

const OLDEST: Variant = { backend: 'legacy', version: '0.0.0' };
/** First legacy version whose restore knows `--wait`. */
const FIRST_WITH_WAIT = [1, 6, 2];

/** Nothing of this process's own environment, which could change what programs print. */
export function plainEnvironment(searchPath: readonly string[]): Readonly<Record<string, string>> {
  return { PATH: searchPath.join(':'), LC_ALL: 'C' };
}

/** Finds the save and restore programs of one name, such as `ip6tables-legacy`; undefined if one is missing. */
export async function findFamilyTools(name: string, search: ToolSearch): Promise<FamilyTools | undefined> {
  const [save, restore] = await Promise.all(
    ['save', 'restore'].map((part) => findProgram(`${name}-${part}`, search.searchPath)),
  );
  if (save === undefined || restore === undefined) return undefined;
  const variant = (await readVariant(save, search)) ?? OLDEST;
  return { save, restore, backend: variant.backend, waitArguments: waitArguments(variant, search.lockWaitSeconds) };
}

/** Asks a program what it is (spec section 8, step 2); undefined if the answer makes no sense. */
export async function readVariant(program: string, { searchPath, signal }: ToolSearch): Promise<Variant | undefined> {
  const env = plainEnvironment(searchPath);
  const { status, stdout, stderr } = await runTool({ argv: [program, '--version'], env, signal });
  signal?.throwIfAborted();
  if (status !== 0 || stderr.includes('unrecognized option')) return OLDEST;
  const version = /v(\d+(?:\.\d+)+)/.exec(stdout)?.[1];
  if (version === undefined) return undefined;
  return { backend: stdout.includes('nf_tables') ? 'nft' : 'legacy', version };
}

/** Only legacy programs take a lock, and only those from 1.6.2 on can be told how long to wait (spec section 10). */
export function waitArguments({ backend, version }: Variant, seconds: number): readonly string[] {
  if (backend !== 'legacy' || !knowsWait(version.split('.').map(Number))) return [];
  return [`--wait=${Math.min(Math.max(Math.trunc(seconds), 1), MAX_LOCK_WAIT_SECONDS)}`];
}

function knowsWait(version: readonly number[]): boolean {
  for (const [index, wanted] of FIRST_WITH_WAIT.entries()) {
    const part = version[index] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}
