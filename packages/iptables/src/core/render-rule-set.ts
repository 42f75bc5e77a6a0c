import { builtInChains } from './builtin-chains.ts';
import { renderRule } from './render-rule.ts';
import type { Counters, RuleSet, Table } from './rule.ts';

/**
 * Text for `iptables-restore --noflush`: tables by name, chains declared with `-N`, then the rules in their order. It
 * ends in a line break, and is empty for an empty set. Applying it twice fails: `-N` refuses a chain that exists.
 * Throws `IPTABLES_RULE_INVALID`.
 */
export function renderRestore(ruleSet: RuleSet): string {
  const tables = ruleSet.tables.filter(({ chains, rules }) => chains.length > 0 || rules.length > 0);
  return tables
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((table) => block(`* ${table.name}`, [...declare(table), ...table.rules.map(renderRule)]))
    .join('');
}

/** How {@link renderSave} writes what is not in every rule set. */
export interface RenderSaveOptions {
  /** False leaves the brackets with packets and bytes out. Default true: `[0:0]` where the data has none. */
  readonly counters?: boolean;
}

/**
 * Text in the form of `iptables-save`, without its `#` lines; give it what {@link buildListing} returns to see what
 * the kernel will show. Ends in a line break. Throws `IPTABLES_RULE_INVALID`.
 */
export function renderSave(ruleSet: RuleSet, options?: RenderSaveOptions): string {
  const counted = options?.counters ?? true;
  return ruleSet.tables
    .map((table) => {
      const chains = table.chains.map(
        ({ name, policy, counters }) => `:${name} ${policy ?? '-'}${counted ? ` ${brackets(counters)}` : ''}`,
      );
      const rules = table.rules.map((rule) =>
        counted && rule.counters !== undefined ? `${brackets(rule.counters)} ${renderRule(rule)}` : renderRule(rule),
      );
      return block(`*${table.name}`, [...chains, ...rules]);
    })
    .join('');
}

function declare(table: Table): readonly string[] {
  const builtIn = builtInChains(table.name);
  const policies = table.chains.filter(({ policy }) => policy !== undefined);
  const own = table.chains.filter(({ name }) => !builtIn.includes(name));
  return [...policies.map(({ name, policy }) => `:${name} ${policy}`), ...own.map(({ name }) => `-N ${name}`)];
}

function brackets(counters: Counters | undefined): string {
  return `[${counters?.packets ?? 0}:${counters?.bytes ?? 0}]`;
}

function block(header: string, lines: readonly string[]): string {
  return `${[header, ...lines, 'COMMIT'].join('\n')}\n`;
}
