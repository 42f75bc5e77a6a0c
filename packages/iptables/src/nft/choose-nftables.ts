import { PROBE_SETS } from '../ambient/probe-set-names.ts';
import type { ToolPlace } from '../tool-place.ts';
import { type WorkOptions, withWorkplace } from '../workplace.ts';
import { saidBy } from './run-nft.ts';

/** Which backend to use on a machine where nftables was asked for. */
export type NftablesChoice =
  | { readonly backend: 'nftables' }
  | {
      readonly backend: 'iptables';
      /** For the operator. */
      readonly reason: string;
    };

/**
 * Decides whether nftables can be used as asked for (spec section 13): not while the sets of an older run with iptables
 * are there, for its rules would go on working beside the new ones, and not where nft does not work. Changes nothing and
 * gives the same answer when asked again. Throws `IPTABLES_NAMESPACE_GONE`, `IPTABLES_PERMISSION` if the namespace may
 * not be entered, and the codes of `findTools`.
 */
export async function chooseNftables(options: WorkOptions = {}): Promise<NftablesChoice> {
  return withWorkplace(options, async (place) => {
    const left = await findProbeSet(place);
    if (left !== undefined)
      return { backend: 'iptables', reason: `ipset ${left} is left from a run with iptables: reboot to use nftables` };
    if (place.tools.nft === undefined) return { backend: 'iptables', reason: 'nft is not installed' };
    const { status, ...said } = await place.run([place.tools.nft, 'list', 'tables']);
    if (status === 0) return { backend: 'nftables' };
    return { backend: 'iptables', reason: `nft does not work: ${saidBy({ status, ...said })}` };
  });
}

/** If ipset cannot be asked, there is no set of it either. */
async function findProbeSet(place: ToolPlace): Promise<string | undefined> {
  const { ipset } = place.tools;
  if (ipset === undefined) return undefined;
  const { stdout } = await place.run([ipset, 'list', '-n']);
  const names = new Set(stdout.split('\n'));
  return Object.values(PROBE_SETS).find((name) => names.has(name));
}
