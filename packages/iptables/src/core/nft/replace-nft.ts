import { type NftHook, type NftTable, renderNft } from '../nft-script.ts';
import type { NftChainListing, NftListing } from './parse-nft-listing.ts';

/**
 * Script that turns the tables `names`, found as listed, into `wanted`: the text of {@link renderNft}, and before it
 * what that leaves over (tables and chains nobody wants, base chains with another hook). Sets stay.
 */
export function renderReplacement(found: NftListing, wanted: readonly NftTable[], names: readonly string[]): string {
  const tables = new Map(wanted.map((table) => [`${table.family} ${table.name}`, table]));
  const lines = names.flatMap((name) => {
    const listing = found.get(name);
    if (listing === undefined) return [];
    const table = tables.get(name);
    if (table === undefined) return renderRemoval([name]);
    const stale = [...listing.chains].filter(([chain, { hook }]) => {
      const next = table.chains.find((candidate) => candidate.name === chain);
      return next === undefined || !isHook(hook, next.hook);
    });
    return stale.length === 0
      ? []
      : [`flush table ${name}\n`, ...stale.map(([chain]) => `delete chain ${name} ${chain}\n`)];
  });
  return `${lines.join('')}${renderNft(wanted)}`;
}

/** Script that turns the tables `names`, found as `now`, back into `before`. Sets that exist keep their elements. */
export function renderReturn(now: NftListing, before: NftListing, names: readonly string[]): string {
  const lines = names.flatMap((name) => {
    const [current, earlier] = [now.get(name), before.get(name)];
    if (earlier === undefined) return current === undefined ? [] : renderRemoval([name]);
    if (current === undefined) return [earlier.text];
    const chains = [...current.chains.keys()].map((chain) => `delete chain ${name} ${chain}\n`);
    return [`flush table ${name}\n`, ...chains, earlier.textWithoutElements];
  });
  return lines.join('');
}

/** Lines that remove tables; adding them first makes it no error if they are gone. */
export function renderRemoval(names: readonly string[]): readonly string[] {
  return names.flatMap((name) => [`add table ${name}\n`, `delete table ${name}\n`]);
}

/** Lines that remove all rules and chains of a table, found as listed, and leave its sets; without sets, the table. */
export function renderEmptying(found: NftListing, name: string): readonly string[] {
  const table = found.get(name);
  if (table === undefined || table.objects.size === 0) return renderRemoval([name]);
  // No table is made where there is none, and flushing first takes the jumps that would keep a chain in use.
  return [`flush table ${name}\n`, ...[...table.chains.keys()].map((chain) => `delete chain ${name} ${chain}\n`)];
}

function isHook(found: NftChainListing['hook'], wanted: NftHook | undefined): boolean {
  if (found === undefined || wanted === undefined) return found === wanted;
  const read = /^type (\S+) hook (\S+) priority (-?\d+); policy (\S+);$/.exec(found);
  return (
    read !== null &&
    read[1] === wanted.type &&
    read[2] === wanted.hook &&
    Number(read[3]) === wanted.priority &&
    read[4] === (wanted.policy ?? 'accept')
  );
}
