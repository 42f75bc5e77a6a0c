import { builtInChains } from '../builtin-chains.ts';
import type { NftHook } from '../nft-script.ts';
import type { TableName } from '../rule.ts';

/** In the order the tables are written. */
export const TABLE_ORDER: readonly TableName[] = ['nat', 'mangle', 'raw', 'filter', 'security'];

const HOOKS = {
  PREROUTING: 'prerouting',
  INPUT: 'input',
  FORWARD: 'forward',
  OUTPUT: 'output',
  POSTROUTING: 'postrouting',
} as const;
/** Of iptables, `NF_IP_PRI_*` in `linux/netfilter_ipv4.h`; nat has two. */
const PRIORITIES = { raw: -300, mangle: -150, filter: 0, security: 50 } as const;
const DESTINATION_NAT_PRIORITY = -100;
const SOURCE_NAT_PRIORITY = 100;

/** Where iptables hangs a built-in chain; undefined for a chain that is none in this table. */
export function hookOf(table: TableName, chain: string): NftHook | undefined {
  const hook = Object.entries(HOOKS).find(([name]) => name === chain)?.[1];
  if (hook === undefined || !builtInChains(table).includes(chain)) return undefined;
  if (table === 'nat') {
    const early = hook === 'prerouting' || hook === 'output';
    return { type: 'nat', hook, priority: early ? DESTINATION_NAT_PRIORITY : SOURCE_NAT_PRIORITY };
  }
  // Only a chain of type route has the packet routed again after its mark was changed.
  const type = table === 'mangle' && hook === 'output' ? 'route' : 'filter';
  return { type, hook, priority: PRIORITIES[table] };
}
