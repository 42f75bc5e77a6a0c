import { IptablesError } from './errors.ts';
import { findProgram } from './find-program.ts';
import { runTool } from './run-tool.ts';

/** Programs of one address family. */
export interface FamilyTools {
  readonly save: string;
  readonly restore: string;
  /** `nft` programs change the kernel through nftables; `legacy` ones through the older interface. */
  readonly variant: 'nft' | 'legacy';
  /** Extra arguments for writing: how long to wait for the lock that legacy programs share. */
  readonly waitArguments: readonly string[];
}

/** Which of the two interfaces a program uses, and its version. */
export interface Variant {
  readonly variant: 'nft' | 'legacy';
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

const OLDEST: Variant = { variant: 'legacy', version: '0.0.0' };
/** First legacy version whose restore knows `--wait`. */
const FIRST_WITH_WAIT = [1, 6, 2];

/** Nothing of this process's own environment, which could change what programs print. */
export function plainEnvironment(searchPath: readonly string[]): Readonly<Record<string, string>> {
  return { PATH: searchPath.join(':'), LC_ALL: 'C' };
}

/** What `variant` and `force` may be. */
export const VARIANTS: readonly unknown[] = ['nft', 'legacy', undefined];

/** Refuses what is no time to wait for the lock. Throws `IPTABLES_RULE_INVALID`. */
export function checkLockWait(seconds: number | undefined): void {
  if (seconds === undefined || (Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= MAX_LOCK_WAIT_SECONDS))
    return;
  throw new IptablesError(
    'IPTABLES_RULE_INVALID',
    `option lockWaitSeconds is ${String(seconds)}: want whole seconds from 1 to ${MAX_LOCK_WAIT_SECONDS}`,
  );
}

/** Finds the save and restore programs of one name, such as `ip6tables-legacy`; undefined if one is missing. */
export async function findFamilyTools(name: string, search: ToolSearch): Promise<FamilyTools | undefined> {
  const [save, restore] = await Promise.all(
    ['save', 'restore'].map((part) => findProgram(`${name}-${part}`, search.searchPath)),
  );
  if (save === undefined || restore === undefined) return undefined;
  const found = (await readVariant(save, search)) ?? OLDEST;
  return { save, restore, variant: found.variant, waitArguments: waitArguments(found, search.lockWaitSeconds) };
}

/** Asks a program what it is (spec section 8, step 2); undefined if the answer makes no sense. */
export async function readVariant(program: string, { searchPath, signal }: ToolSearch): Promise<Variant | undefined> {
  const env = plainEnvironment(searchPath);
  const { status, stdout, stderr } = await runTool({ argv: [program, '--version'], env, signal });
  signal?.throwIfAborted();
  if (status !== 0 || stderr.includes('unrecognized option')) return OLDEST;
  const version = /v(\d+(?:\.\d+)+)/.exec(stdout)?.[1];
  if (version === undefined) return undefined;
  return { variant: stdout.includes('nf_tables') ? 'nft' : 'legacy', version };
}

/** Only legacy programs take a lock, and only those from 1.6.2 on can be told how long to wait (spec section 10). */
export function waitArguments({ variant, version }: Variant, seconds: number): readonly string[] {
  if (variant !== 'legacy' || !knowsWait(version.split('.').map(Number))) return [];
  return [`--wait=${seconds}`];
}

function knowsWait(version: readonly number[]): boolean {
  for (const [index, wanted] of FIRST_WITH_WAIT.entries()) {
    const part = version[index] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}
