const NAMES =
  'ACCEPT DROP QUEUE RETURN AUDIT CHECKSUM CLASSIFY CLUSTERIP CONNMARK CONNSECMARK CT DNAT DNPT DSCP ECN HL HMARK ' +
  'IDLETIMER LED LOG MARK MASQUERADE NETMAP NFLOG NFQUEUE NOTRACK RATEEST REDIRECT REJECT SECMARK SET SNAT SNPT ' +
  'SYNPROXY TCPMSS TCPOPTSTRIP TEE TOS TPROXY TRACE TTL';

/** Names that no chain can have: the tool takes them for a target. Those of all extensions iptables comes with. */
export const TARGET_NAMES: ReadonlySet<string> = new Set(NAMES.split(' '));

const FACTORIES: ReadonlyMap<string, string> = new Map([
  ['ACCEPT', 'accept()'],
  ['DROP', 'drop()'],
  ['RETURN', 'goBack()'],
  ['LOG', 'log()'],
  ['REJECT', 'reject()'],
  ['MARK', 'setMark(…)'],
  ['CONNMARK', 'setConnectionMark(…), saveMark() and restoreMark()'],
  ['REDIRECT', 'redirect(…)'],
  ['DNAT', 'dnat(…)'],
  ['SNAT', 'snat(…)'],
  ['MASQUERADE', 'masquerade()'],
  ['TPROXY', 'tproxy(…)'],
  ['TCPMSS', 'segmentSize(…)'],
  ['CT', 'conntrackZone(…) and noTrack()'],
]);

/** What makes the target that is called so, in capitals or not; undefined where no target is. */
export function factoryOf(name: string): string | undefined {
  const capital = name.toUpperCase();
  return FACTORIES.get(capital) ?? (TARGET_NAMES.has(capital) ? `rawTarget('${capital} …')` : undefined);
}
