import { type NftListing, parseNftListing } from '../core/nft/parse-nft-listing.ts';
import { type NftTable, type NftTableName, renderNft } from '../core/nft-script.ts';
import { IptablesError } from '../errors.ts';
import { missing } from '../missing-tool.ts';
import type { ToolPlace } from '../tool-place.ts';
import { listError, nftOf, saidBy, scriptError } from './run-nft.ts';

/** Counters are left out, and priorities are numbers, which every version understands. */
const LIST = ['-s', '-y', 'list', 'ruleset'] as const;
/** In a namespace that ends with it. */
const LOAD_AND_LIST = `"$0" -f - && exec "$0" ${LIST.join(' ')}`;

/** Key of a table in a listing. */
export function tableKey({ family, name }: NftTableName): string {
  return `${family} ${name}`;
}

/** Lists those of the tables that exist. Throws `IPTABLES_TOOL_MISSING`, `IPTABLES_PERMISSION`, `IPTABLES_SAVE_FAILED`. */
export async function readNft(place: ToolPlace, names: readonly NftTableName[]): Promise<NftListing> {
  const [family, ...more] = new Set(names.map((name) => name.family));
  if (family === undefined) return new Map();
  const result = await place.run([nftOf(place), ...LIST, ...(more.length === 0 ? [family] : [])]);
  if (result.status !== 0) throw listError(place, result);
  const keys = new Set(names.map(tableKey));
  return new Map([...parseNftListing(result.stdout)].filter(([key]) => keys.has(key)));
}

/**
 * How the nft of `place` lists `tables` once they are loaded. They are loaded into a network namespace that is made for
 * this and gone afterwards, so that both spellings come from the same program. Sets that rules name and `tables` do not
 * declare are taken for sets of addresses. Throws what `planNft` throws, and `IPTABLES_PERMISSION` without
 * CAP_SYS_ADMIN.
 */
export async function listWanted(place: ToolPlace, tables: readonly NftTable[]): Promise<NftListing> {
  if (tables.length === 0) return new Map();
  const { unshare, shell } = place.tools;
  if (unshare === undefined) throw missing('unshare', 'util-linux');
  if (shell === undefined) throw missing('sh', 'dash');
  const script = renderNft(tables.map(declareSets));
  const result = await place.run([unshare, '--net', '--', shell, '-c', LOAD_AND_LIST, nftOf(place)], script);
  if (result.status === 0) return parseNftListing(result.stdout);
  if (result.stderr.startsWith('unshare:'))
    throw new IptablesError(
      'IPTABLES_PERMISSION',
      `make a network namespace to compare with: ${saidBy(result)} (needs CAP_SYS_ADMIN)`,
    );
  throw scriptError(place, script, result);
}

function declareSets(table: NftTable): NftTable {
  const sets = new Map((table.sets ?? []).map((set) => [set.name, set]));
  for (const { text } of table.rules)
    for (const [, family, name = ''] of text.matchAll(/\b(ip6?) [sd]addr (?:!= )?@(\S+)/g))
      if (!sets.has(name)) sets.set(name, { name, type: family === 'ip' ? 'ipv4_addr' : 'ipv6_addr' });
  return { ...table, sets: [...sets.values()] };
}
