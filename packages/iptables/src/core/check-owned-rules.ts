import { IptablesError } from '../errors.ts';
import { checkCoverage, checkNftCoverage, checkOwnership } from './check-coverage.ts';
import { checkRulesBesideOthers } from './check-rule-set.ts';
import type { OwnedRules } from './owned-rules.ts';
import { ownedChains } from './ownership.ts';
import type { RuleSet } from './rule.ts';

/**
 * Refuses rules of which a part would silently not be applied by `backend`: not covered by the ownership, of the other
 * family, or not there in the form that the backend needs; for iptables also those that the kernel would refuse, for it
 * would only say in which table. Throws `IPTABLES_RULE_INVALID`.
 */
export function checkOwnedRules(rules: OwnedRules, backend: 'iptables' | 'nftables'): void {
  const { nftables = [], ownership } = rules;
  checkOwnership(ownership);
  const wanted = wantedRuleSets(rules);
  const problem = findProblem(rules, wanted, backend);
  if (problem !== undefined) throw new IptablesError('IPTABLES_RULE_INVALID', problem);
  if (backend === 'nftables') checkNftCoverage(nftables, ownership);
  else
    for (const ruleSet of wanted) {
      checkCoverage(ruleSet, ownership);
      checkRulesBesideOthers(ruleSet, (table) => ownedChains(ownership, table));
    }
}

function wantedRuleSets({ v4, v6 }: OwnedRules): readonly RuleSet[] {
  return [v4, v6].filter((ruleSet) => ruleSet !== undefined);
}

function findProblem(
  { v4, v6, nftables, routing }: OwnedRules,
  wanted: readonly RuleSet[],
  backend: 'iptables' | 'nftables',
): string | undefined {
  if (v4?.family === 'ipv6') return 'v4 has rules of ipv6: want ipv4';
  if (v6?.family === 'ipv4') return 'v6 has rules of ipv4: want ipv6';
  if (wanted.length === 0 && nftables === undefined && routing === undefined)
    return 'nothing is wanted: want v4, v6, nftables or routing';
  const none = nftables === undefined || nftables.length === 0;
  if (backend === 'iptables')
    return none || wanted.length > 0 ? undefined : 'backend iptables: these rules have nftables only, no v4 or v6';
  const lacking = nftables === undefined || (none && wanted.some(({ tables }) => tables.length > 0));
  return lacking ? 'backend nftables: these rules have no nftables form (see translateToNft)' : undefined;
}
