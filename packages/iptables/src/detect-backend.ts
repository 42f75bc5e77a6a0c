import { checkOption, SWITCH } from './core/check-option.ts';
import { IptablesError } from './errors.ts';
import {
  checkLockWait,
  DEFAULT_LOCK_WAIT_SECONDS,
  type FamilyTools,
  plainEnvironment,
  readVariant,
  type ToolSearch,
  VARIANTS,
  waitArguments,
} from './family-tools.ts';
import { DEFAULT_SEARCH_PATH, findProgram } from './find-program.ts';
import { type NamespaceRef, type OpenNamespace, withNamespace } from './namespace.ts';
import { runInNamespace, runTool } from './run-tool.ts';
import { collectTools, type Tools } from './tools.ts';

/** What to look for, and where; see {@link detectBackend}. */
export interface DetectBackendOptions {
  /** Whose rules decide. Where this process is, if absent; a node agent looks at the host. */
  readonly namespace?: NamespaceRef;
  /** Only this variant will do. */
  readonly force?: 'legacy' | 'nft';
  /** Whether IPv6 is needed: if not, its failure is a warning. Default true. */
  readonly ipv6?: boolean;
  /** Directories, first match wins. Default `DEFAULT_SEARCH_PATH`. */
  readonly searchPath?: readonly string[];
  /** How long legacy programs wait for the lock they share, in whole seconds from 1 to 40. Default 30. */
  readonly lockWaitSeconds?: number;
  readonly signal?: AbortSignal;
}

/** The variant chosen for one address family. */
export interface BackendChoice {
  /** Such as `iptables-nft`. */
  readonly name: string;
  readonly variant: 'nft' | 'legacy';
  /** Such as 1.8.9; 0.0.0 for a program too old to say. */
  readonly version: string;
  /** Whether there are rules that were written through this variant. */
  readonly existingRules: boolean;
}

/** What {@link detectBackend} found. */
export interface Detection {
  /** To be passed on to every later call, for all namespaces. */
  readonly tools: Tools;
  readonly v4: BackendChoice;
  readonly v6?: BackendChoice;
  /** Why there is no `v6`, for people; empty otherwise. */
  readonly warnings: readonly string[];
}

/** Existing rules are what a save of more than an empty table shows: comment, table, COMMIT (spec section 8). */
const LINES_OF_RULES = 3;

/** A rule of the kind that is needed, of a protocol that no packet has. */
const PROBE = ['-t', 'nat', '-A', 'INPUT', '-p', '255', '-j', 'RETURN'] as const;

/** Of several failures the first of these is the one to act on. */
const TELLING = ['IPTABLES_PERMISSION', 'IPTABLES_BACKEND_UNUSABLE'] as const;

interface Candidate extends BackendChoice {
  readonly tools: FamilyTools;
}

/** Where {@link detectBackend} looks. */
interface Look {
  readonly namespace: OpenNamespace;
  readonly nsenter: string | undefined;
  readonly unshare: string | undefined;
  readonly search: ToolSearch;
}

/**
 * Chooses between the legacy and the nft variant of iptables, separately for IPv4 and IPv6: legacy if it works and has
 * rules in the namespace already, else nft if it works, else what plain `iptables` is. Whether a variant works is tried
 * in a network namespace of its own that is gone afterwards; the given one is only read. So nothing is created, and the
 * answer is the same when asked again.
 *
 * Throws `IPTABLES_TOOL_MISSING` if no variant is installed, `IPTABLES_BACKEND_UNUSABLE` if none works (the message says
 * why each does not), `IPTABLES_PERMISSION` without the right to make a namespace, `IPTABLES_NAMESPACE_GONE`.
 */
export async function detectBackend(options?: DetectBackendOptions): Promise<Detection> {
  checkOption('force', options?.force, VARIANTS);
  checkOption('ipv6', options?.ipv6, SWITCH);
  checkLockWait(options?.lockWaitSeconds);
  const searchPath = options?.searchPath ?? DEFAULT_SEARCH_PATH;
  const lockWaitSeconds = options?.lockWaitSeconds ?? DEFAULT_LOCK_WAIT_SECONDS;
  const search: ToolSearch = { searchPath, lockWaitSeconds, signal: options?.signal };
  options?.signal?.throwIfAborted();
  const [nsenter, unshare] = await Promise.all(['nsenter', 'unshare'].map((name) => findProgram(name, searchPath)));
  return withNamespace(options?.namespace, async (namespace) => {
    const look: Look = { namespace, nsenter, unshare, search };
    const [v4, v6] = await Promise.allSettled([
      chooseVariant(look, 'iptables', options?.force),
      chooseVariant(look, 'ip6tables', options?.force),
    ]);
    if (v4.status === 'rejected') throw v4.reason;
    const families = { v4: v4.value.tools, v6: v6.status === 'fulfilled' ? v6.value.tools : undefined };
    if (v6.status === 'rejected' && (options?.ipv6 ?? true)) throw v6.reason;
    const tools = await collectTools(families, searchPath);
    if (v6.status === 'rejected') return { tools, v4: choiceOf(v4.value), warnings: [messageOf(v6.reason)] };
    return { tools, v4: choiceOf(v4.value), v6: choiceOf(v6.value), warnings: [] };
  });
}

async function chooseVariant(look: Look, plain: string, force: 'legacy' | 'nft' | undefined): Promise<Candidate> {
  if (force !== undefined) {
    const only = await tryVariant(look, `${plain}-${force}`);
    if (only instanceof IptablesError) throw only;
    return only;
  }
  const legacy = await tryVariant(look, `${plain}-legacy`, { onlyWithRules: true });
  if (!(legacy instanceof IptablesError)) return legacy;
  const nft = await tryVariant(look, `${plain}-nft`);
  if (!(nft instanceof IptablesError)) return nft;
  const last = await tryVariant(look, plain);
  if (!(last instanceof IptablesError)) return last;
  const failures = [legacy, nft, last].filter((failure) => failure instanceof IptablesError);
  const code = TELLING.find((each) => failures.some((failure) => failure.code === each)) ?? last.code;
  const messages = failures.map(({ message }) => message);
  throw new IptablesError(code, messages.join('; '), { cause: new AggregateError(failures) });
}

/**
 * The candidate, or why it will not do. With `onlyWithRules`, one without rules is not even tried: up to Linux 5.14 the
 * legacy modules, once loaded, make an empty table on the host, which would count as rules the next time.
 */
async function tryVariant(
  look: Look,
  name: string,
  options: { readonly onlyWithRules?: boolean } = {},
): Promise<Candidate | IptablesError> {
  const { searchPath, lockWaitSeconds } = look.search;
  const [program, save, restore] = await Promise.all(
    [name, `${name}-save`, `${name}-restore`].map((file) => findProgram(file, searchPath)),
  );
  if (program === undefined || save === undefined || restore === undefined)
    return new IptablesError('IPTABLES_TOOL_MISSING', `${name} is not installed (package iptables has it)`);
  const { namespace, nsenter } = look;
  const { signal } = look.search;
  const env = plainEnvironment(searchPath);
  const listing = await runInNamespace(namespace, { nsenter, argv: [save], env, signal });
  if (listing.status !== 0) return unusable(`${name}-save`, listing.stderr);
  const variant = await readVariant(save, look.search);
  if (variant === undefined) return unusable(`${name}-save --version`, 'it names no version');
  const existingRules = `${listing.stdout}${listing.stderr}`.split('\n').length - 1 >= LINES_OF_RULES;
  if (options.onlyWithRules === true && !existingRules)
    return new IptablesError('IPTABLES_BACKEND_UNUSABLE', `${name} has no rules`);
  const wait = waitArguments(variant, lockWaitSeconds);
  const refusal = await probeKernel(look, name, [program, ...PROBE, ...wait]);
  if (refusal !== undefined) return refusal;
  const tools = { save, restore, variant: variant.variant, waitArguments: wait };
  return { name, ...variant, existingRules, tools };
}

/** Undefined if the kernel takes a rule in a namespace made for it; why not, otherwise. */
async function probeKernel(
  { unshare, search }: Look,
  name: string,
  argv: readonly string[],
): Promise<IptablesError | undefined> {
  if (unshare === undefined) return new IptablesError('IPTABLES_TOOL_MISSING', 'unshare not found: install util-linux');
  // Nobody else is in there, so the lock that all legacy programs of the machine share is not needed.
  const env = { ...plainEnvironment(search.searchPath), XTABLES_LOCKFILE: '/proc/self/ns/net' };
  const { status, stderr } = await runTool({ argv: [unshare, '--net', '--', ...argv], env, signal: search.signal });
  search.signal?.throwIfAborted();
  if (stderr.startsWith('unshare:'))
    return new IptablesError(
      'IPTABLES_PERMISSION',
      `make a network namespace to try ${name}: ${oneLine(stderr)} (needs CAP_SYS_ADMIN)`,
    );
  return status !== 0 || stderr.includes('does not exist') ? unusable(name, stderr) : undefined;
}

function unusable(what: string, stderr: string): IptablesError {
  if (/permission denied|not permitted|must be root/i.test(stderr))
    return new IptablesError(
      'IPTABLES_PERMISSION',
      `${what}: ${oneLine(stderr)} (needs CAP_NET_ADMIN and CAP_NET_RAW)`,
    );
  return new IptablesError('IPTABLES_BACKEND_UNUSABLE', `${what} does not work: ${oneLine(stderr)}`);
}

function oneLine(stderr: string): string {
  return stderr.trim().split('\n').join('; ') || 'no message';
}

function choiceOf({ tools: _tools, ...choice }: Candidate): BackendChoice {
  return choice;
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
