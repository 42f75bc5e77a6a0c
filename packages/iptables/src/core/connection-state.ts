/** States of `-m conntrack --ctstate`, in the order iptables lists them. */
export const CONNECTION_STATES = ['INVALID', 'NEW', 'RELATED', 'ESTABLISHED', 'UNTRACKED', 'SNAT', 'DNAT'] as const;

/** One state of a connection, as connection tracking sees it. */
export type ConnectionState = (typeof CONNECTION_STATES)[number];

/** Reads `RELATED,ESTABLISHED`; undefined if one of them is unknown. */
export function parseConnectionStates(text: string): readonly ConnectionState[] | undefined {
  const states = text.split(',').map((name) => CONNECTION_STATES.find((state) => state === name));
  return states.every((state) => state !== undefined) ? states : undefined;
}
