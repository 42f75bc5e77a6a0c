import { IptablesError } from '../errors.ts';

/** `IFNAMSIZ` of linux/if.h, less the final zero. */
const LONGEST_NAME = 15;
/** Fewer characters than the kernel allows: none that iptables-restore or nft could take for anything but a name. */
const NAME = /^[A-Za-z0-9_.][A-Za-z0-9_.@-]*\+?$/;

/**
 * Checks names of interfaces; a trailing `+` stands for any rest. They may come from an annotation that the pod's
 * owner writes, and become words of a script that root runs. Throws `IPTABLES_RULE_INVALID`.
 */
export function checkVirtualInterfaces(names: readonly string[]): readonly string[] {
  if (!Array.isArray(names))
    throw new IptablesError(
      'IPTABLES_RULE_INVALID',
      `virtual interfaces ${JSON.stringify(names)}: want a list of names`,
    );
  for (const name of names)
    if (typeof name !== 'string' || !NAME.test(name) || name.length > LONGEST_NAME || name === '.' || name === '..')
      throw new IptablesError(
        'IPTABLES_RULE_INVALID',
        `virtual interface ${JSON.stringify(name)}: want a name of 1 to ${LONGEST_NAME} letters, digits, "_", ".", "@" or "-"`,
      );
  return names;
}
