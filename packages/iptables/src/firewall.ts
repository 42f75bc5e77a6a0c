import { parseSave } from './core/parse-save.ts';
import type { Family, RuleSet, TableName } from './core/rule.ts';
import { IptablesError } from './errors.ts';
import type { FamilyTools } from './family-tools.ts';
import { missing } from './missing-tool.ts';
import type { ToolResult } from './run-tool.ts';
import type { ToolPlace } from './tool-place.ts';

/** What the nft variant prints instead of a table with rules that only nft can express. */
const NOT_LISTED = /^# Table `(\S+)' is incompatible, use 'nft' tool/gm;

/**
 * Reads all rules of one family. Creates nothing in the kernel. Throws `IPTABLES_SAVE_FAILED`, also if one of `tables`
 * cannot be listed: to take it for empty would leave rules there that nobody knows of. Throws `IPTABLES_PERMISSION`,
 * `IPTABLES_TOOL_MISSING`.
 */
export async function readFirewall(place: ToolPlace, family: Family, tables: readonly TableName[]): Promise<RuleSet> {
  const tools = familyTools(place, family);
  const result = await place.run([tools.save]);
  if (result.status === 0) {
    const hidden = [...result.stdout.matchAll(NOT_LISTED)].find(([, name]) => tables.some((table) => table === name));
    if (hidden === undefined) return parseSave(result.stdout, family);
    throw new IptablesError(
      'IPTABLES_SAVE_FAILED',
      `${tools.save} in ${place.namespace.label} does not list table ${hidden[1]}: somebody used nft to write rules there that iptables does not know (see nft list ruleset)`,
    );
  }
  throw toolError(place, tools.save, result) ?? saveError(place, tools.save, result);
}

/**
 * Hands one payload to `iptables-restore --noflush`. Atomic by table: when it throws, tables before the one that
 * failed have changed. Throws `IPTABLES_RESTORE_FAILED` with the line, `IPTABLES_LOCKED`, `IPTABLES_PERMISSION`.
 */
export async function restoreFirewall(place: ToolPlace, family: Family, payload: string): Promise<void> {
  if (payload === '') return;
  const { restore, waitArguments } = familyTools(place, family);
  const result = await place.run([restore, '--noflush', '-v', ...waitArguments], payload);
  if (result.status === 0) return;
  throw toolError(place, restore, result) ?? restoreError(place, restore, result, payload);
}

function familyTools(place: ToolPlace, family: Family): FamilyTools {
  const tools = family === 'ipv4' ? place.tools.v4 : place.tools.v6;
  if (tools === undefined) throw missing(`${family === 'ipv4' ? 'iptables' : 'ip6tables'}-restore`, 'iptables');
  return tools;
}

function toolError(place: ToolPlace, program: string, { stderr }: ToolResult): IptablesError | undefined {
  const text = `${program} in ${place.namespace.label}: ${oneLine(stderr)}`;
  if (/holding the xtables lock|another app/i.test(stderr))
    return new IptablesError('IPTABLES_LOCKED', `${text} (which program changes the firewall all the time?)`);
  if (/permission denied|not permitted|must be root/i.test(stderr))
    return new IptablesError('IPTABLES_PERMISSION', `${text} (needs CAP_NET_ADMIN and CAP_NET_RAW there)`);
  return undefined;
}

function saveError(place: ToolPlace, program: string, { status, stderr }: ToolResult): IptablesError {
  return new IptablesError(
    'IPTABLES_SAVE_FAILED',
    `${program} in ${place.namespace.label}: ${describeStatus(status)}: ${oneLine(stderr)}`,
  );
}

function restoreError(
  place: ToolPlace,
  program: string,
  { status, stderr }: ToolResult,
  payload: string,
): IptablesError {
  const found = /line:? (\d+)/.exec(stderr)?.[1];
  const line = found === undefined ? undefined : Number(found);
  const rule = line === undefined ? undefined : payload.split('\n')[line - 1];
  const where = line === undefined ? '' : `, line ${line}${rule ? ` (${rule})` : ''}`;
  return new IptablesError(
    'IPTABLES_RESTORE_FAILED',
    `${program} in ${place.namespace.label}: ${describeStatus(status)}${where}: ${oneLine(stderr)}`,
    line === undefined ? {} : { line },
  );
}

/** What iptables means by its exit status. */
const PROBLEMS: Readonly<Record<number, string>> = {
  1: 'xtables other problem',
  2: 'xtables parameter problem',
  3: 'xtables version problem',
  4: 'xtables resource problem',
};

function describeStatus(status: number): string {
  const problem = PROBLEMS[status];
  return problem === undefined ? `status ${status}` : `status ${status} (${problem})`;
}

function oneLine(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('Try `'));
  return lines.join('; ') || 'no message';
}
