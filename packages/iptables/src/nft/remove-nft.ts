import { renderEmptying, renderRemoval } from '../core/nft/replace-nft.ts';
import type { NftTableName } from '../core/nft-script.ts';
import type { ToolPlace } from '../tool-place.ts';
import { readNft, tableKey } from './read-nft.ts';
import { runNftScript } from './run-nft.ts';

/**
 * Removes tables in one transaction, with everything in them unless one of their names says `keepSets`; those that do
 * not exist are no error. Throws as `planNft`.
 */
export async function removeNft(place: ToolPlace, names: readonly NftTableName[]): Promise<void> {
  const emptied = names.filter(({ keepSets }) => keepSets);
  const found = await readNft(place, emptied);
  const keys = new Set(emptied.map(tableKey));
  const others = names.map(tableKey).filter((key) => !keys.has(key));
  const lines = [...[...keys].flatMap((key) => renderEmptying(found, key)), ...renderRemoval([...new Set(others)])];
  await runNftScript(place, lines.join(''));
}
