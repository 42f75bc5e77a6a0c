import type { ApplyStep } from './apply-step.ts';
import type { NftTable, NftTableName } from './core/nft-script.ts';
import { planNft } from './nft/plan-nft.ts';
import { removeNft } from './nft/remove-nft.ts';
import { verifyNft } from './nft/verify-nft.ts';
import type { Workplace } from './workplace.ts';

/** Reads the tables and plans what they lack; `owned` ones that are not wanted go. Throws what `planNft` throws. */
export async function planNftStep(
  place: Workplace,
  tables: readonly NftTable[],
  owned: readonly NftTableName[] = [],
): Promise<ApplyStep> {
  return planNft(place, tables, owned);
}

/** Compares the tables; nothing wanted is nothing to compare. Throws what `verifyNft` throws. */
export async function verifyNftTables(
  place: Workplace,
  tables: readonly NftTable[] | undefined,
  owned: readonly NftTableName[] = [],
): Promise<{ readonly differences: readonly string[]; readonly residue: boolean }> {
  return verifyNft(place, tables ?? [], owned);
}

/** Removes the tables. Throws what `removeNft` throws. */
export async function removeNftTables(place: Workplace, tables: readonly NftTableName[]): Promise<void> {
  await removeNft(place, tables);
}
