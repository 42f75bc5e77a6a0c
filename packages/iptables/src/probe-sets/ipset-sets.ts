import { PROBE_SETS } from '../ambient/probe-set-names.ts';
import type { Family } from '../core/rule.ts';
import { IptablesError } from '../errors.ts';
import { missing } from '../missing-tool.ts';
import type { ToolResult } from '../run-tool.ts';
import type { ToolPlace } from '../tool-place.ts';
import type { ProbeEntry } from './probe-entry.ts';
import type { SetBackend } from './set-backend.ts';

const NAMES = { ipv4: PROBE_SETS.v4, ipv6: PROBE_SETS.v6 } as const;
const KERNEL_NAMES = { ipv4: 'inet', ipv6: 'inet6' } as const;

/**
 * What ipset gives a set that does not say it; the kernel may let in a few more. Not said, so that sets are as the reference makes them: one that exists
 * with another limit is refused by ipset, and could not be taken over.
 */
const MOST_ENTRIES = 65_536;

/**
 * Sets of `ipset`, for the iptables backend. They are changed entry by entry, in the order given: the error of a change
 * says how many were made.
 */
export function buildIpsetSets(families: readonly Family[]): SetBackend {
  return {
    ensure: async (place) =>
      restore(
        place,
        families.map((family) => `create ${NAMES[family]} hash:ip family ${KERNEL_NAMES[family]} comment`),
      ),
    flush: async (place) =>
      restore(
        place,
        families.map((family) => `flush ${NAMES[family]}`),
      ),
    list: async (place) => (await Promise.all(families.map(async (family) => listSet(place, family)))).flat(),
    change: async (place, { put, remove }) =>
      restore(place, [
        ...remove.map(({ family, address }) => `del ${NAMES[family]} ${address}`),
        ...put.map(({ family, address, podUid }) => `add ${NAMES[family]} ${address} comment "${podUid}"`),
      ]),
    destroy: async (place) => {
      for (const family of families) await destroySet(place, NAMES[family]);
    },
  };
}

/** Reads `ipset list -output save`. */
export function parseIpsetSave(text: string, family: Family): readonly ProbeEntry[] {
  return text.split('\n').flatMap((line) => {
    const [, address, options = ''] = /^add \S+ (\S+)(.*)$/.exec(line) ?? [];
    if (address === undefined) return [];
    const podUid = /(?:^| )comment "([^"]*)"/.exec(options)?.[1];
    return [{ address, family, ...(podUid === undefined ? {} : { podUid }) }];
  });
}

async function listSet(place: ToolPlace, family: Family): Promise<readonly ProbeEntry[]> {
  const result = await place.run([ipsetOf(place), 'list', NAMES[family], '-output', 'save']);
  if (result.status !== 0) throw ipsetError(place, result);
  return parseIpsetSave(result.stdout, family);
}

async function destroySet(place: ToolPlace, name: string): Promise<void> {
  const result = await place.run([ipsetOf(place), 'destroy', name]);
  if (result.status !== 0 && !result.stderr.includes('does not exist')) throw ipsetError(place, result);
}

/** `-exist`: sets that are there, entries that are there (their comment is replaced) or gone are no errors. */
async function restore(place: ToolPlace, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  const result = await place.run([ipsetOf(place), 'restore', '-exist'], lines.map((line) => `${line}\n`).join(''));
  if (result.status !== 0) throw restoreError(place, result, lines);
}

/** Nothing before the line that failed is undone: whose an entry was before is not known any more. */
function restoreError(place: ToolPlace, result: ToolResult, lines: readonly string[]): IptablesError {
  const error = ipsetError(place, result);
  const made = Number(/Error in line (\d+):/.exec(result.stderr)?.[1]) - 1;
  const failed = lines[made];
  if (failed === undefined) return error;
  const full = / is full/.test(result.stderr) ? `: ${failed.split(' ')[1]} is made for ${MOST_ENTRIES} entries` : '';
  return new IptablesError(error.code, `${error.message}${full}; ${made} of ${lines.length} changes were made`);
}

function ipsetOf({ tools }: ToolPlace): string {
  if (tools.ipset === undefined) throw missing('ipset', 'ipset');
  return tools.ipset;
}

function ipsetError(place: ToolPlace, { stderr, status }: ToolResult): IptablesError {
  const said = stderr.trim().split('\n')[0] || `exit status ${status}`;
  const denied = /operation not permitted/i.test(stderr);
  return new IptablesError(
    denied ? 'IPTABLES_PERMISSION' : 'IPTABLES_SET_FAILED',
    `ipset in ${place.namespace.label}: ${said}${denied ? ' (needs CAP_NET_ADMIN)' : ''}`,
  );
}
