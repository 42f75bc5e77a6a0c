import { checkOwnership } from './core/check-coverage.ts';
import { describeDifferences } from './core/describe-plan.ts';
import type { OwnedRules } from './core/owned-rules.ts';
import { type Ownership, ownedTables } from './core/ownership.ts';
import { plan } from './core/plan.ts';
import type { Family } from './core/rule.ts';
import { IptablesError } from './errors.ts';
import type { FamilyTools } from './family-tools.ts';
import { DEFAULT_SEARCH_PATH } from './find-program.ts';
import { readFirewall } from './firewall.ts';
import { readNft } from './nft/read-nft.ts';
import type { ToolPlace } from './tool-place.ts';
import { findTools, type Tools } from './tools.ts';
import { type WorkOptions, withWorkplaceInTurn } from './workplace.ts';

/** Rules of ours that were written in another way than the one in use, and that work beside those. */
export interface Leftover {
  /** With {@link tools} the options for `removeRules` to reach them. */
  readonly backend: 'iptables' | 'nftables';
  /** Of the families that have such rules, and only of these. */
  readonly tools: Tools;
  /** Which variant of iptables; absent for `nftables`. */
  readonly variant?: 'nft' | 'legacy';
  /** Such as `ipv4 nat: extra -A OUTPUT -j ISTIO_OUTPUT`; never empty. */
  readonly found: readonly string[];
}

/**
 * Looks for rules of the owner in the ways that are not in use: the kernel runs those of both variants of iptables and of
 * nftables, one after the other, but each program sees its own alone. In use are `backend` and, of iptables, the variant
 * of `tools`. Changes nothing; starts a process for each program that is installed. To remove what is found:
 * `removeRules({ ownership }, { namespace, ...leftover })`, without `routing`, which all ways share. Throws
 * `IPTABLES_RULE_INVALID`, `IPTABLES_SAVE_FAILED`, `IPTABLES_PERMISSION`, `IPTABLES_NAMESPACE_GONE`.
 */
export async function findLeftovers(
  { ownership }: Pick<OwnedRules, 'ownership'>,
  options: WorkOptions = {},
): Promise<readonly Leftover[]> {
  checkOwnership(ownership);
  return withWorkplaceInTurn(options, async (place) => {
    const found: (Leftover | undefined)[] = [];
    for (const variant of ['nft', 'legacy'] as const)
      found.push(await lookForVariant(place, ownership, { variant, iptables: options.backend !== 'nftables' }));
    if (options.backend !== 'nftables') found.push(await lookForTables(place, ownership));
    return found.filter((leftover) => leftover !== undefined);
  });
}

async function lookForVariant(
  place: ToolPlace,
  ownership: Ownership,
  { variant, iptables }: { readonly variant: 'nft' | 'legacy'; readonly iptables: boolean },
): Promise<Leftover | undefined> {
  const { v4, v6, ...others } = await findVariant(place, variant);
  const look = async (family: Family, tools: FamilyTools | undefined): Promise<readonly string[]> => {
    const inUse = family === 'ipv4' ? place.tools.v4 : place.tools.v6;
    if (tools === undefined || (iptables && inUse?.variant === variant)) return [];
    const key = family === 'ipv4' ? 'v4' : 'v6';
    const listing = await readFirewall(
      { ...place, tools: { ...others, [key]: tools } },
      family,
      ownedTables(ownership),
    );
    const removal = plan(listing, { family, tables: [] }, { ownership });
    return describeDifferences(removal).map((line) => `${family} ${line}`);
  };
  const [left4, left6] = [await look('ipv4', v4), await look('ipv6', v6)];
  if (left4.length + left6.length === 0) return undefined;
  const tools: Tools = {
    ...others,
    ...(v4 === undefined || left4.length === 0 ? {} : { v4 }),
    ...(v6 === undefined || left6.length === 0 ? {} : { v6 }),
  };
  return { backend: 'iptables', variant, tools, found: [...left4, ...left6] };
}

/** The programs of a variant; none if it is not installed. */
async function findVariant({ tools }: ToolPlace, variant: 'nft' | 'legacy'): Promise<Tools> {
  const searchPath = tools.env['PATH']?.split(':') ?? DEFAULT_SEARCH_PATH;
  return findTools({ variant, searchPath }).catch((error: unknown) => {
    if (error instanceof IptablesError && error.code === 'IPTABLES_TOOL_MISSING') return { env: tools.env };
    throw error;
  });
}

async function lookForTables(place: ToolPlace, { nftTables = [] }: Ownership): Promise<Leftover | undefined> {
  if (place.tools.nft === undefined || nftTables.length === 0) return undefined;
  const listing = await readNft(place, nftTables);
  const found = [...listing].flatMap(([key, { chains }]) => (chains.size > 0 ? [`table ${key}`] : []));
  return found.length === 0 ? undefined : { backend: 'nftables', tools: place.tools, found };
}
