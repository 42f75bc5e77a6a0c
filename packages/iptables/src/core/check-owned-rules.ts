import { IptablesError } from '../errors.ts';
import { checkCoverage, checkNftCoverage, checkOwnership } from './check-coverage.ts';
import type { OwnedRules } from './owned-rules.ts';

/**
 * Refuses rules of which a part would silently not be applied by `backend`: not covered by the ownership, of the other
 * family, or not there in the form that the backend needs. Throws `IPTABLES_RULE_INVALID`.
 */
export function checkOwnedRules(rules: OwnedRules, backend: 'iptables' | 'nftables'): void {
  const { v4, v6, nftables, ownership } = rules;
  checkOwnership(ownership);
  for (const [name, family] of [['v4', 'ipv4'] as const, ['v6', 'ipv6'] as const]) {
    const found = rules[name]?.family;
    if (found !== undefined && found !== family)
      throw new IptablesError('IPTABLES_RULE_INVALID', `${name} has rules of ${found}: want ${family}`);
  }
  const wanted = [v4, v6].filter((ruleSet) => ruleSet !== undefined);
  if (backend === 'nftables') {
    const some = wanted.some(({ tables }) => tables.length > 0);
    if (nftables === undefined || (nftables.length === 0 && some))
      throw new IptablesError(
        'IPTABLES_RULE_INVALID',
        'backend nftables: these rules have no nftables form (see translateToNft)',
      );
    checkNftCoverage(nftables, ownership);
    return;
  }
  if (wanted.length === 0 && nftables !== undefined && nftables.length > 0)
    throw new IptablesError('IPTABLES_RULE_INVALID', 'backend iptables: these rules have nftables only, no v4 or v6');
  for (const ruleSet of wanted) checkCoverage(ruleSet, ownership);
}
