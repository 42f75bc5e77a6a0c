import type { WayBack } from '../apply-step.ts';
import { compareNft } from '../core/nft/compare-nft.ts';
import type { NftListing } from '../core/nft/parse-nft-listing.ts';
import { renderReplacement, renderReturn } from '../core/nft/replace-nft.ts';
import type { NftTable, NftTableName } from '../core/nft-script.ts';
import { IptablesError } from '../errors.ts';
import type { ToolPlace } from '../tool-place.ts';
import { listWanted, readNft, tableKey } from './read-nft.ts';
import { runNftScript } from './run-nft.ts';

/** A change that was found to be needed, or not. */
export interface NftChange {
  /** What there was of our tables: none with a chain, others than wanted, or all as wanted. */
  readonly found: 'nothing' | 'other' | 'wanted';
  /** One transaction; nothing if all is as wanted. */
  change(place: ToolPlace): Promise<void>;
  /** The way back to what was found; sets keep the elements they got meanwhile. */
  planUndo(place: ToolPlace): Promise<WayBack>;
}

/**
 * Reads what there is and prepares the change that makes the tables exactly as wanted, in one transaction: what somebody
 * added to them goes, tables of `owned` that are not wanted go as a whole (such as one left from when an option was on),
 * sets keep their elements. Starts two processes now and one for the change; if nothing is left over, that one is given
 * the text of `renderNft`. Throws, now or later, `IPTABLES_TOOL_MISSING`, `IPTABLES_PERMISSION`,
 * `IPTABLES_NAMESPACE_GONE`, `IPTABLES_SAVE_FAILED`, and `IPTABLES_RESTORE_FAILED` with the line that was refused; then
 * nothing has changed.
 */
export async function planNft(
  place: ToolPlace,
  tables: readonly NftTable[],
  owned: readonly NftTableName[] = [],
): Promise<NftChange> {
  const names = [...tables, ...owned];
  const keys = keysOf(tables, owned);
  const [before, wanted] = await Promise.all([readNft(place, names), listWanted(place, tables)]);
  const same = compareNft(before, wanted, keys).length === 0;
  const nothing = [...before.values()].every(({ chains }) => chains.size === 0);
  let written = false;
  const isAs = (now: NftListing, then: NftListing) => compareNft(now, then, keys).length === 0;
  return {
    found: same ? 'wanted' : nothing ? 'nothing' : 'other',
    change: async (where) => {
      if (same) return;
      // Only a script that was refused has changed nothing for certain.
      written = true;
      await runNftScript(where, renderReplacement(before, tables, keys)).catch((error: unknown) => {
        written = !(error instanceof IptablesError);
        throw error;
      });
    },
    planUndo: async (where) => {
      const now = await readNft(where, names);
      const explained = isAs(now, before) || (written && isAs(now, wanted));
      return {
        ...(explained ? {} : { conflict: `tables ${keys.join(', ')} of nftables` }),
        go: async () => {
          if (written) await runNftScript(where, renderReturn(now, before, keys));
        },
      };
    },
  };
}

function keysOf(tables: readonly NftTableName[], owned: readonly NftTableName[]): readonly string[] {
  return [...new Set([...tables, ...owned].map(tableKey))];
}
