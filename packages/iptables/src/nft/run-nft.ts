import { IptablesError } from '../errors.ts';
import { missing } from '../missing-tool.ts';
import type { ToolResult } from '../run-tool.ts';
import type { ToolPlace } from '../tool-place.ts';

/**
 * Hands a script to `nft -f -`: one transaction. Throws `IPTABLES_TOOL_MISSING`, `IPTABLES_PERMISSION`, and
 * `IPTABLES_RESTORE_FAILED` with the line of the script that was refused.
 */
export async function runNftScript(place: ToolPlace, script: string): Promise<void> {
  if (script === '') return;
  const result = await place.run([nftOf(place), '-f', '-'], script);
  if (result.status !== 0) throw scriptError(place, script, result);
}

/** Path of `nft`. Throws `IPTABLES_TOOL_MISSING`. */
export function nftOf({ tools }: ToolPlace): string {
  if (tools.nft === undefined) throw missing('nft', 'nftables');
  return tools.nft;
}

/** What to throw when nft refused `script`. */
export function scriptError(place: ToolPlace, script: string, result: ToolResult): IptablesError {
  const denied = permissionError(place, result);
  if (denied !== undefined) return denied;
  const found = /^\S*?:(\d+):\d+(?:-\d+)?: Error: (.*)$/m.exec(result.stderr);
  const label = place.namespace.label;
  if (found === null) return new IptablesError('IPTABLES_RESTORE_FAILED', `nft in ${label}: ${saidBy(result)}`);
  const line = Number(found[1]);
  const text = script.split('\n')[line - 1] ?? '';
  return new IptablesError('IPTABLES_RESTORE_FAILED', `nft in ${label}, line ${line} (${text}): ${found[2]}`, { line });
}

/** What to throw when nft could not list; never returns nothing. */
export function listError(place: ToolPlace, result: ToolResult): IptablesError {
  const denied = permissionError(place, result);
  return denied ?? new IptablesError('IPTABLES_SAVE_FAILED', `nft list in ${place.namespace.label}: ${saidBy(result)}`);
}

/** The error if the program was not allowed to do what it was told. */
export function permissionError(place: ToolPlace, result: ToolResult): IptablesError | undefined {
  if (!/operation not permitted|permission denied/i.test(result.stderr)) return undefined;
  return new IptablesError(
    'IPTABLES_PERMISSION',
    `nftables of ${place.namespace.label}: ${saidBy(result)} (needs CAP_NET_ADMIN in its user namespace)`,
  );
}

/** The first line a program left, for messages. */
export function saidBy({ stderr, status }: ToolResult): string {
  return stderr.trim().split('\n')[0] || `exit status ${status}`;
}
