import { NFT_TABLES } from '../ambient/chain-names.ts';
import { PROBE_SETS } from '../ambient/probe-set-names.ts';
import { parseNftListing } from '../core/nft/parse-nft-listing.ts';
import { renderRemoval } from '../core/nft/replace-nft.ts';
import type { Family } from '../core/rule.ts';
import { IptablesError } from '../errors.ts';
import { nftOf, permissionError, runNftScript, saidBy } from '../nft/run-nft.ts';
import type { ToolPlace } from '../tool-place.ts';
import type { ProbeEntry } from './probe-entry.ts';
import type { SetBackend } from './set-backend.ts';

/** Sets are of one table: that of the host's rules. */
const TABLE = `inet ${NFT_TABLES.nat}`;
const NAMES = { ipv4: PROBE_SETS.v4, ipv6: PROBE_SETS.v6 } as const;
const TYPES = { ipv4: 'ipv4_addr', ipv6: 'ipv6_addr' } as const;
const SET_COMMENT = 'addresses of mesh pods that probes may reach';

/** Sets of nftables in the table of the host's rules. Every change is one transaction; destroying takes the table. */
export function buildNftSets(families: readonly Family[]): SetBackend {
  const each = (line: (family: Family) => string) => families.map(line);
  return {
    ensure: async (place) =>
      run(place, [
        `add table ${TABLE}`,
        ...each((family) => `add set ${TABLE} ${NAMES[family]} { type ${TYPES[family]} ; comment "${SET_COMMENT}" ; }`),
      ]),
    flush: async (place) =>
      run(
        place,
        each((family) => `flush set ${TABLE} ${NAMES[family]}`),
      ),
    list: async (place) => listSets(place, families),
    change: async (place, { put, remove }) =>
      run(
        place,
        families.flatMap((family) => {
          const gone = [...remove, ...put].filter((entry) => entry.family === family);
          const there = put.filter((entry) => entry.family === family);
          // An element keeps its comment for life. Adding before deleting makes it no error if there is none.
          return [
            ...renderElements(
              'add',
              family,
              gone.map(({ address }) => address),
            ),
            ...renderElements(
              'delete',
              family,
              gone.map(({ address }) => address),
            ),
            ...renderElements(
              'add',
              family,
              there.map(({ address, podUid }) => `${address} comment "${podUid}"`),
            ),
          ];
        }),
      ),
    destroy: async (place) =>
      run(
        place,
        renderRemoval([TABLE]).map((line) => line.trimEnd()),
      ),
  };
}

/** Reads the elements of one set, as `nft list` prints them between the braces. */
export function parseNftElements(text: string, family: Family): readonly ProbeEntry[] {
  return Array.from(text.matchAll(/([^\s,"]+)((?:[^,"]|"[^"]*")*)/g), ([, address = '', options = '']) => {
    const podUid = /comment "([^"]*)"/.exec(options)?.[1];
    return { address, family, ...(podUid === undefined ? {} : { podUid }) };
  });
}

function renderElements(verb: 'add' | 'delete', family: Family, elements: readonly string[]): readonly string[] {
  return elements.length === 0 ? [] : [`${verb} element ${TABLE} ${NAMES[family]} { ${elements.join(', ')} }`];
}

async function listSets(place: ToolPlace, families: readonly Family[]): Promise<readonly ProbeEntry[]> {
  const result = await place.run([nftOf(place), 'list', 'table', ...TABLE.split(' ')]);
  if (result.status !== 0)
    throw (
      permissionError(place, result) ??
      new IptablesError('IPTABLES_SET_FAILED', `nft in ${place.namespace.label}: ${saidBy(result)}`)
    );
  const objects = parseNftListing(result.stdout).get(TABLE)?.objects;
  return families.flatMap((family) => {
    const set = objects?.get(NAMES[family]);
    if (set === undefined)
      throw new IptablesError(
        'IPTABLES_SET_FAILED',
        `${place.namespace.label}: table ${TABLE} has no ${NAMES[family]}`,
      );
    return parseNftElements(set.elements, family);
  });
}

async function run(place: ToolPlace, lines: readonly string[]): Promise<void> {
  try {
    await runNftScript(place, lines.map((line) => `${line}\n`).join(''));
  } catch (cause) {
    if (!(cause instanceof IptablesError) || cause.code !== 'IPTABLES_RESTORE_FAILED') throw cause;
    throw new IptablesError('IPTABLES_SET_FAILED', cause.message, { cause });
  }
}
