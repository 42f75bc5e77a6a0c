import { IptablesError } from '../errors.ts';
import { assertFamily } from './address.ts';
import { builtInChains, builtInSpelled, isTableName } from './builtin-chains.ts';
import { chainsLedTo, findLoop, hooksByChain } from './chain-graph.ts';
import { checkRule, ruleScope } from './check-rule.ts';
import { describeRule } from './describe-rule.ts';
import { renderRule } from './render-rule.ts';
import { isWord } from './render-words.ts';
import type { Chain, Family, Rule, RuleSet, Table, TableName } from './rule.ts';
import { factoryOf, TARGET_NAMES } from './targets/target-names.ts';

/** Bytes of a chain's name, of `XT_EXTENSION_MAXNAMELEN` without the ending zero. */
const LONGEST_CHAIN_NAME = 28;
/** `iptables-restore` reads lines into 10 KiB, with the line break and an ending zero. */
const LONGEST_RULE = 10_238;
/** Characters of a rule that is too long. */
const SHOWN = 100;
/** A message with more than that helps nobody. */
const MOST_PROBLEMS = 20;

/**
 * Refuses rules that types cannot rule out and that the kernel or `iptables-restore` of one of the variants would not
 * take, or would take as something else: a target in the wrong table or reached from the wrong built-in chain, ports
 * without their protocol (or with `! -p tcp`, which only the nft variant takes), addresses of the other family, protocols
 * nobody knows, jumps to nowhere or in circles, names and texts that are too long. Refused although both variants may
 * take it, for it is of no use: what no packet can match (`! -i +`, which the legacy variant turns into any packet), a
 * circle of jumps that nothing leads to, and a chain of one's own that spells a built-in one (`input`, or `PREROUTING` in
 * filter) and that no rule leads to. Other chains that nothing leads to pass: they may be in preparation. Raw matches and
 * targets are not looked into. Throws `IPTABLES_RULE_INVALID` with table, chain, rule and reason of every problem (the
 * first {@link MOST_PROBLEMS}).
 */
export function checkRuleSet(ruleSet: RuleSet): void {
  throwProblems(findProblems(ruleSet, () => undefined));
}

/**
 * The same for rules that come beside those of others: only chains that `owned` gives for a table have to be declared,
 * all others may be there, and nothing is refused for being of no use. Throws `IPTABLES_RULE_INVALID`.
 */
export function checkRulesBesideOthers(ruleSet: RuleSet, owned: (table: TableName) => readonly string[]): void {
  throwProblems(findProblems(ruleSet, owned));
}

function throwProblems(problems: readonly string[]): void {
  if (problems.length === 0) return;
  const more = problems.length - MOST_PROBLEMS;
  const shown = problems.slice(0, MOST_PROBLEMS).join('; ');
  throw new IptablesError('IPTABLES_RULE_INVALID', more > 0 ? `${shown}; and ${more} more` : shown);
}

/** The owned chains of a table; undefined where nobody else has any. */
type Owned = (table: TableName) => readonly string[] | undefined;

function findProblems({ family, tables }: RuleSet, owned: Owned): readonly string[] {
  assertFamily(family);
  const problems: string[] = [];
  for (const [index, table] of tables.entries()) {
    if (!isTableName(table.name)) return [`${JSON.stringify(table.name)} is no table`];
    if (tables.findIndex(({ name }) => name === table.name) !== index)
      problems.push(`table ${table.name} is there twice`);
    const found = [...checkChains(table, owned(table.name)), ...checkRules(table, family, owned(table.name))];
    problems.push(...found.map((problem) => `${table.name} ${problem}`));
  }
  return problems;
}

function checkChains(table: Table, owned: readonly string[] | undefined): readonly string[] {
  const names = new Set<string>();
  const led = owned === undefined ? chainsLedTo(table) : undefined;
  const problems: string[] = [];
  for (const chain of table.chains) {
    const problem = names.has(chain.name) ? 'it is declared twice' : checkChain(chain, table, led);
    names.add(chain.name);
    if (problem !== undefined) problems.push(`chain ${JSON.stringify(chain.name)}: ${problem}`);
  }
  const loop = findLoop(table);
  return loop === undefined
    ? problems
    : [...problems, `chain ${JSON.stringify(loop[0])}: a circle of jumps: ${loop.join(' -> ')}`];
}

function checkChain({ name, policy }: Chain, table: Table, led: ReadonlySet<string> | undefined): string | undefined {
  const builtIn = builtInChains(table.name);
  if (policy !== undefined && policy !== 'ACCEPT' && policy !== 'DROP') return 'want the policy ACCEPT or DROP';
  if (builtIn.includes(name)) return undefined;
  const meant = led === undefined || led.has(name) ? undefined : builtInSpelled(name);
  if (meant !== undefined)
    return builtIn.includes(meant)
      ? `no rule leads there, so no packet gets there: is ${meant} meant?`
      : `table ${table.name} has no built-in chain ${meant}, only ${builtIn.join(', ')}, and no rule leads there`;
  if (policy !== undefined) return 'only built-in chains have a policy';
  if (!isWord(name)) return 'want one word that is no option';
  if (Buffer.byteLength(name) > LONGEST_CHAIN_NAME) return `the name is longer than ${LONGEST_CHAIN_NAME} bytes`;
  return TARGET_NAMES.has(name) ? 'that is the name of a target' : undefined;
}

function checkRules(table: Table, family: Family, owned: readonly string[] | undefined): readonly string[] {
  const builtIn = builtInChains(table.name);
  const own = new Set(table.chains.map(({ name }) => name).filter((name) => !builtIn.includes(name)));
  const hooks = hooksByChain(table);
  const problems: string[] = [];
  for (const rule of table.rules) {
    const scope = ruleScope(rule, { family, table: table.name, hooks: hooks.get(rule.chain) ?? new Set<string>() });
    const declared = own.has(rule.chain) || builtIn.includes(rule.chain) || owned?.includes(rule.chain) === false;
    const found = declared ? undefined : 'its chain is not declared';
    const problem = found ?? checkJump(rule, own, { builtIn, owned }) ?? checkRule(rule, scope);
    const text = textOf(rule);
    if (problem !== undefined || text.reason !== undefined)
      problems.push(`${rule.chain} ${JSON.stringify(text.text)}: ${problem ?? text.reason}`);
  }
  return problems;
}

function checkJump(
  { target }: Rule,
  own: ReadonlySet<string>,
  { builtIn, owned }: { readonly builtIn: readonly string[]; readonly owned: readonly string[] | undefined },
): string | undefined {
  if ((target?.target !== 'jump' && target?.target !== 'goto') || own.has(target.chain)) return undefined;
  if (builtIn.includes(target.chain)) return `${target.chain} is built in: no rule can lead there`;
  if (owned?.includes(target.chain) === false) return undefined;
  const factory = factoryOf(target.chain);
  const hint = factory === undefined ? '' : ` (for the target there is ${factory})`;
  return `chain ${target.chain} is not declared${hint}`;
}

/** The rule for people, and why it cannot be written, if so. */
function textOf(rule: Rule): { readonly text: string; readonly reason?: string } {
  try {
    const text = renderRule(rule);
    if (Buffer.byteLength(text) <= LONGEST_RULE) return { text };
    return { text: `${text.slice(0, SHOWN)}…`, reason: `the rule is longer than ${LONGEST_RULE} bytes` };
  } catch (error) {
    if (!(error instanceof IptablesError)) throw error;
    return { text: describeRule(rule), reason: error.message };
  }
}
