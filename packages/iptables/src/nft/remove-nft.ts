import { renderRemoval } from '../core/nft/replace-nft.ts';
import type { NftTableName } from '../core/nft-script.ts';
import type { ToolPlace } from '../tool-place.ts';
import { tableKey } from './read-nft.ts';
import { runNftScript } from './run-nft.ts';

/** Removes tables with everything in them, in one transaction; those that do not exist are no error. Throws as `planNft`. */
export async function removeNft(place: ToolPlace, names: readonly NftTableName[]): Promise<void> {
  await runNftScript(place, renderRemoval([...new Set(names.map(tableKey))]).join(''));
}
