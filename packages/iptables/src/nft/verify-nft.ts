import { compareNft } from '../core/nft/compare-nft.ts';
import type { NftTable, NftTableName } from '../core/nft-script.ts';
import type { ToolPlace } from '../tool-place.ts';
import { listWanted, readNft, tableKey } from './read-nft.ts';

/** What {@link verifyNft} found. */
export interface NftReport {
  readonly intact: boolean;
  /** Such as `inet mesh-nat: missing rule of output: counter accept`; empty exactly when intact. */
  readonly differences: readonly string[];
  /** Some of the tables have chains. */
  readonly residue: boolean;
}

/**
 * Compares the tables with `tables` and changes nothing; tables of `owned` that are not wanted must not exist. Elements
 * of sets are not compared. Starts two processes: one lists, the other loads the wanted tables into a network namespace
 * of its own and lists them there. Throws the codes of `planNft`.
 */
export async function verifyNft(
  place: ToolPlace,
  tables: readonly NftTable[],
  owned: readonly NftTableName[] = [],
): Promise<NftReport> {
  const names = [...tables, ...owned];
  const [found, wanted] = await Promise.all([readNft(place, names), listWanted(place, tables)]);
  const differences = compareNft(found, wanted, [...new Set(names.map(tableKey))]);
  const residue = [...found.values()].some(({ chains }) => chains.size > 0);
  return { intact: differences.length === 0, differences, residue };
}
