import { IptablesError } from '../../errors.ts';

/** The error for what nftables cannot do; whoever knows the rule puts its text in front. */
export function noNftForm(what: string): IptablesError {
  return new IptablesError('IPTABLES_RULE_INVALID', `${what} has no nft form; write it yourself`);
}
