/** Matches we know that have no options of ports: such an option behind them is one of the protocol's. */
export const FOREIGN_TO_PORTS: ReadonlySet<string> = new Set([
  'icmp',
  'icmp6',
  'mark',
  'connmark',
  'conntrack',
  'state',
  'owner',
  'set',
  'addrtype',
  'limit',
  'statistic',
  'recent',
  'comment',
]);
