import { IptablesError } from '../errors.ts';
import { isTableName } from './builtin-chains.ts';
import { parseRuleBody, type RuleContext } from './parse-rule.ts';
import type { Chain, Counters, Family, Rule, RuleSet, Table, TableName } from './rule.ts';
import { buildTable } from './table.ts';
import { type Token, tokenizeLine } from './tokenize.ts';

interface OpenTable {
  readonly name: TableName;
  readonly chains: Chain[];
  readonly rules: Rule[];
  readonly context: RuleContext & { readonly chains: Set<string> };
}

/**
 * Reads what `iptables-save` or `ip6tables-save` printed (with or without counters), or a restore payload in the form
 * of `renderRestore`. Unknown matches and targets are kept verbatim. Throws `IPTABLES_SAVE_INVALID` with line and
 * column for anything that is no such text.
 */
export function parseSave(text: string, family: Family): RuleSet {
  const tables: Table[] = [];
  let table: OpenTable | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const number = index + 1;
    if (table === undefined) {
      table = openTable(line, number);
    } else if (line === 'COMMIT') {
      tables.push(buildTable(table.name, table.chains, table.rules));
      table = undefined;
    } else {
      parseLine(line, number, table);
    }
  }
  if (table !== undefined) throw invalid(text.split('\n').length, 1, `table ${table.name} has no COMMIT`);
  return { family, tables };
}

function openTable(line: string, number: number): OpenTable {
  const name = /^\* ?(\S+)$/.exec(line)?.[1];
  if (name === undefined) throw invalid(number, 1, 'want a table, such as *nat');
  if (!isTableName(name)) throw invalid(number, line.indexOf(name) + 1, `${JSON.stringify(name)} is no table`);
  return { name, chains: [], rules: [], context: { table: name, chains: new Set() } };
}

function parseLine(line: string, number: number, table: OpenTable): void {
  const declared = /^:(\S+) (ACCEPT|DROP|-)(?: (\[\d+:\d+\]))?$/.exec(line);
  if (declared !== null) {
    const [, name = '', policy, counts] = declared;
    declareChain(table, { name, ...policyOf(policy), ...countersOf(counts) });
    return;
  }
  if (line.startsWith(':')) throw invalid(number, 1, 'want a chain, such as :INPUT ACCEPT [0:0]');
  const counts = /^(\[\d+:\d+\]) /.exec(line);
  const tokens = tokenizeLine(line, number).slice(counts === null ? 0 : 1);
  const [command, chain] = tokens.map(({ text }) => text);
  if (command === '-N' && chain !== undefined && tokens.length === 2) declareChain(table, { name: chain });
  else if ((command === '-A' || command === '-I') && chain !== undefined)
    table.rules.push({ ...parseRule(tokens, table), ...countersOf(counts?.[1]) });
  else throw invalid(number, 1, `want a rule, such as -A INPUT -j ACCEPT, not ${JSON.stringify(line.slice(0, 40))}`);
}

function parseRule(tokens: readonly Token[], table: OpenTable): Rule {
  const [command, chain, third] = tokens.map(({ text }) => text);
  const insert = command === '-I';
  const numbered = insert && /^[1-9]\d*$/.test(third ?? '');
  const body = parseRuleBody(tokens.slice(numbered ? 3 : 2), table.context);
  return { chain: chain ?? '', ...body, ...(insert ? { position: numbered ? Number(third) : 1 } : {}) };
}

function declareChain(table: OpenTable, chain: Chain): void {
  table.chains.push(chain);
  table.context.chains.add(chain.name);
}

function policyOf(text: string | undefined): Pick<Chain, 'policy'> {
  return text === 'ACCEPT' || text === 'DROP' ? { policy: text } : {};
}

/** Reads `[12:3456]`. */
function countersOf(text: string | undefined): { readonly counters?: Counters } {
  if (text === undefined) return {};
  const [packets, bytes] = text.slice(1, -1).split(':').map(Number);
  return { counters: { packets: packets ?? 0, bytes: bytes ?? 0 } };
}

function invalid(line: number, column: number, what: string): IptablesError {
  return new IptablesError('IPTABLES_SAVE_INVALID', `line ${line}, column ${column}: ${what}`, { line });
}
