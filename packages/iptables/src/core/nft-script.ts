/** Where packets enter a base chain; lower priorities come first, negative ones allowed. */
export interface NftHook {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';
  readonly priority: number;
  /** What happens to packets that no rule decides; `accept` where absent. */
  readonly policy?: 'accept' | 'drop';
}

/** A base chain (with a hook) or a regular one. */
export interface NftChain {
  readonly name: string;
  readonly hook?: NftHook;
}

/** One rule in the words of `nft`, such as `meta l4proto tcp counter accept`. */
export interface NftRule {
  readonly chain: string;
  readonly text: string;
}

/** A set of addresses that rules of the same table name as `@name`. */
export interface NftSet {
  readonly name: string;
  readonly type: 'ipv4_addr' | 'ipv6_addr';
}

/** One table of nftables, all of it ours. `inet` holds both address families. */
export interface NftTable {
  readonly family: 'inet' | 'ip' | 'ip6';
  readonly name: string;
  /** Made where they do not exist; their elements are left alone. */
  readonly sets?: readonly NftSet[];
  readonly chains: readonly NftChain[];
  readonly rules: readonly NftRule[];
}

/** Which table. */
export interface NftTableName extends Pick<NftTable, 'family' | 'name'> {
  /** Its sets are not its rules' own: removing the rules leaves sets, and the table if it has any. */
  readonly keepSets?: true;
}

/**
 * Script for `nft -f`: one transaction that makes the tables exactly these. Each is emptied first (its sets stay), so
 * running it twice gives the same rules. Ends in a line break; empty for no tables.
 */
export function renderNft(tables: readonly NftTable[]): string {
  return tables
    .flatMap((table) => {
      const name = `${table.family} ${table.name}`;
      return [
        `add table ${name}`,
        `flush table ${name}`,
        ...(table.sets ?? []).map((set) => `add set ${name} ${set.name} { type ${set.type} ; }`),
        ...table.chains.map((chain) => `add chain ${name} ${chain.name}${renderHook(chain.hook)}`),
        ...table.rules.map(({ chain, text }) => `add rule ${name} ${chain} ${text}`),
      ];
    })
    .map((line) => `${line}\n`)
    .join('');
}

function renderHook(hook: NftHook | undefined): string {
  if (hook === undefined) return '';
  const policy = hook.policy === undefined ? '' : ` policy ${hook.policy} ;`;
  return ` { type ${hook.type} hook ${hook.hook} priority ${hook.priority} ;${policy} }`;
}
