import { constants } from 'node:fs/promises';
import { checkOption } from './core/check-option.ts';
import {
  checkLockWait,
  DEFAULT_LOCK_WAIT_SECONDS,
  type FamilyTools,
  findFamilyTools,
  plainEnvironment,
  VARIANTS,
} from './family-tools.ts';
import { DEFAULT_SEARCH_PATH, findProgram, mayAccess } from './find-program.ts';
import { missing } from './missing-tool.ts';
import { NAMESPACE_PATH } from './run-tool.ts';

/** Programs this package runs, found once and passed on. What is absent is not installed, and missed when needed. */
export interface Tools {
  readonly v4?: FamilyTools;
  readonly v6?: FamilyTools;
  /** For the nftables backend. */
  readonly nft?: string;
  /** To compare nftables with those that are wanted. */
  readonly unshare?: string;
  /** For sets of the iptables backend. */
  readonly ipset?: string;
  /** To work in a namespace that this process is not in. */
  readonly nsenter?: string;
  /** For policy routing, unless `networking` is given. */
  readonly ip?: string;
  /** To look for IPv6, unless `networking` is given. */
  readonly shell?: string;
  /** Environment of every run. */
  readonly env: Readonly<Record<string, string>>;
}

/** Where and what to look for; see {@link findTools}. */
export interface FindToolsOptions {
  /** Directories, first match wins. Default `DEFAULT_SEARCH_PATH`. */
  readonly searchPath?: readonly string[];
  /** Which variant of iptables. Default: what plain `iptables` is on this machine. */
  readonly variant?: 'nft' | 'legacy';
  /** How long legacy programs wait for the lock they share, in whole seconds from 1 to 40. Default 30. */
  readonly lockWaitSeconds?: number;
  readonly signal?: AbortSignal;
}

/** Whoever says `backend`, as `applyRules` does, would otherwise get what is there by chance. */
const OPTIONS: readonly unknown[] = ['searchPath', 'variant', 'lockWaitSeconds', 'signal'];

const XTABLES_LOCK = '/run/xtables.lock';

/**
 * Finds `iptables`, `ip6tables`, `nft`, `ip` and `nsenter`. Throws `IPTABLES_TOOL_MISSING`, saying what to install, if
 * there is neither `iptables` nor `nft`; what else is missing is an error of the call that needs it, before it has
 * changed anything, and `IPTABLES_RULE_INVALID` for options it does not know. The kernel is not asked: see
 * `detectBackend` for that.
 */
export async function findTools(options?: FindToolsOptions): Promise<Tools> {
  for (const name of Object.keys(options ?? {})) checkOption('of findTools', name, OPTIONS);
  checkOption('variant', options?.variant, VARIANTS);
  checkLockWait(options?.lockWaitSeconds);
  const searchPath = options?.searchPath ?? DEFAULT_SEARCH_PATH;
  const lockWaitSeconds = options?.lockWaitSeconds ?? DEFAULT_LOCK_WAIT_SECONDS;
  const search = { searchPath, lockWaitSeconds, signal: options?.signal };
  const variant = options?.variant === undefined ? '' : `-${options.variant}`;
  const [v4, v6] = await Promise.all(
    ['iptables', 'ip6tables'].map((name) => findFamilyTools(`${name}${variant}`, search)),
  );
  const tools = await collectTools({ v4, v6 }, searchPath);
  if (v4 === undefined && tools.nft === undefined) throw missing(`iptables${variant}-restore`, 'iptables');
  return tools;
}

/** Adds the programs that do not depend on the variant of iptables, as far as they are there. */
export async function collectTools(
  { v4, v6 }: { readonly v4: FamilyTools | undefined; readonly v6: FamilyTools | undefined },
  searchPath: readonly string[],
): Promise<Tools> {
  const [nft, nsenter, ip, shell, unshare, ipset] = await Promise.all(
    ['nft', 'nsenter', 'ip', 'sh', 'unshare', 'ipset'].map((name) => findProgram(name, searchPath)),
  );
  const plain = plainEnvironment(searchPath);
  const locks = [v4, v6].some((family) => family?.variant === 'legacy');
  return {
    ...(v4 === undefined ? {} : { v4 }),
    ...(v6 === undefined ? {} : { v6 }),
    ...(nft === undefined ? {} : { nft }),
    ...(nsenter === undefined ? {} : { nsenter }),
    ...(ip === undefined ? {} : { ip }),
    ...(shell === undefined ? {} : { shell }),
    ...(unshare === undefined ? {} : { unshare }),
    ...(ipset === undefined ? {} : { ipset }),
    env: locks && !(await canLock()) ? { ...plain, XTABLES_LOCKFILE: NAMESPACE_PATH } : plain,
  };
}

/** In a user namespace `/run` often belongs to nobody we may be; the namespace itself then serves as the lock. */
async function canLock(): Promise<boolean> {
  if (await mayAccess(XTABLES_LOCK, constants.F_OK)) return mayAccess(XTABLES_LOCK, constants.R_OK);
  return mayAccess('/run', constants.W_OK);
}
