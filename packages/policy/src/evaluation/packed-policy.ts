import type { Policy, Rule } from '../policy.ts';

/**
 * The same policy with its rules kept as text, and made objects when they are first asked for. Ten rules are a hundred
 * objects; most policies of a mesh apply to nobody on the node that has to know them all, and so many objects make the
 * collection of garbage stop the thread for as long as they are many. `policy` has been checked: it is plain data.
 */
export function packPolicy(policy: Policy): Policy {
  const { rules, ...head } = policy;
  const text = JSON.stringify(rules);
  let unpacked: readonly Rule[] | undefined;
  return {
    ...head,
    get rules() {
      unpacked ??= unpack(text);
      return unpacked;
    },
  };
}

function unpack(text: string): readonly Rule[] {
  return JSON.parse(text);
}
