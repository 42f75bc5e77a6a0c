import { findCommonSubsequence } from '../common-subsequence.ts';
import type { NftChainListing, NftListing, NftTableListing } from './parse-nft-listing.ts';

/**
 * Differences as lines for people, such as `inet mesh-nat: missing rule of output: counter accept`; none if the tables
 * `names` are as wanted. Both listings come from the same nft. Elements of sets and sets nobody wants do not count.
 */
export function compareNft(found: NftListing, wanted: NftListing, names: readonly string[]): readonly string[] {
  return names.flatMap((name) => {
    const differences = compareTables(found.get(name), wanted.get(name));
    return differences.map((difference) => `${name}: ${difference}`);
  });
}

function compareTables(found: NftTableListing | undefined, wanted: NftTableListing | undefined): readonly string[] {
  if (wanted === undefined) return found === undefined ? [] : ['extra table'];
  if (found === undefined) return ['missing table'];
  return [
    ...compareLines('property', propertiesOf(found), propertiesOf(wanted)),
    ...compareObjects(found, wanted),
    ...[...wanted.chains].flatMap(([name, chain]) => compareChains(name, found.chains.get(name), chain)),
    ...[...found.chains.keys()].filter((name) => !wanted.chains.has(name)).map((name) => `extra chain ${name}`),
  ];
}

function propertiesOf(table: NftTableListing): readonly string[] {
  return table.properties.filter((line) => !line.startsWith('comment '));
}

function compareObjects(found: NftTableListing, wanted: NftTableListing): readonly string[] {
  return [...wanted.objects].flatMap(([name, { kind, properties }]) => {
    const there = found.objects.get(name);
    if (there === undefined) return [`missing ${kind} ${name}`];
    return compareLines(`property of ${kind} ${name}`, there.properties, properties);
  });
}

function compareChains(name: string, found: NftChainListing | undefined, wanted: NftChainListing): readonly string[] {
  if (found === undefined) return [`missing chain ${name}`];
  const hook =
    found.hook === wanted.hook ? [] : [`chain ${name}: ${found.hook ?? 'no hook'}, want ${wanted.hook ?? 'no hook'}`];
  return [...hook, ...compareLines(`rule of ${name}`, found.rules, wanted.rules)];
}

function compareLines(what: string, found: readonly string[], wanted: readonly string[]): readonly string[] {
  const partners = findCommonSubsequence(found, wanted);
  const kept = new Set(partners);
  return [
    ...wanted.filter((_, index) => partners[index] === -1).map((line) => `missing ${what}: ${line}`),
    ...found.filter((_, index) => !kept.has(index)).map((line) => `extra ${what}: ${line}`),
  ];
}
