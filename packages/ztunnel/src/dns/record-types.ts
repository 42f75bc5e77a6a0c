/** @see RFC 1035 §3.2.2 */
export const TYPE_A = 1;
export const TYPE_CNAME = 5;
/** @see RFC 3596 */
export const TYPE_AAAA = 28;

/** Names of the types that clients ask for (IANA, DNS parameters); the rest is written `TYPE65280` (RFC 3597). */
const names: ReadonlyMap<number, string> = new Map([
  [TYPE_A, 'A'],
  [2, 'NS'],
  [TYPE_CNAME, 'CNAME'],
  [6, 'SOA'],
  [10, 'NULL'],
  [12, 'PTR'],
  [13, 'HINFO'],
  [15, 'MX'],
  [16, 'TXT'],
  [TYPE_AAAA, 'AAAA'],
  [33, 'SRV'],
  [35, 'NAPTR'],
  [37, 'CERT'],
  [41, 'OPT'],
  [43, 'DS'],
  [44, 'SSHFP'],
  [46, 'RRSIG'],
  [47, 'NSEC'],
  [48, 'DNSKEY'],
  [50, 'NSEC3'],
  [51, 'NSEC3PARAM'],
  [52, 'TLSA'],
  [53, 'SMIMEA'],
  [59, 'CDS'],
  [60, 'CDNSKEY'],
  [61, 'OPENPGPKEY'],
  [62, 'CSYNC'],
  [64, 'SVCB'],
  [65, 'HTTPS'],
  [250, 'TSIG'],
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
  [257, 'CAA'],
]);

/** `AAAA`, or `TYPE65280` for a type without a name here. */
export function renderRecordType(type: number): string {
  return names.get(type) ?? `TYPE${type}`;
}

/** A label value for metrics: lower case, `unknown` for all types without a name, so that clients cannot make series. */
export function recordTypeLabel(type: number): string {
  return names.get(type)?.toLowerCase() ?? 'unknown';
}
