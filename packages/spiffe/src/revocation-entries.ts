import { decodeExtensions } from './certificate-extensions.ts';
import { DerCursor, type DerElement, decodeDerElements } from './der-elements.ts';
import { DerTag } from './der-tags.ts';
import { malformed } from './der-values.ts';
import { SerialSet } from './serial-set.ts';

/** An entry is a sequence of a number of a byte or more and a time of 13: what a list can have no more of. */
const LEAST_TIME_BYTES = 13;
const LEAST_ENTRY_BYTES = 2 + 3 + 2 + LEAST_TIME_BYTES;
/** reasonCode and invalidityDate. certificateIssuer of indirect lists moves an entry to another authority. */
const EXTENSIONS_KNOWN: ReadonlySet<string> = new Set(['2.5.29.21', '2.5.29.24']);
/**
 * All of an entry's extensions but the reason itself, where reasonCode, not critical, is the only one, as it mostly is:
 * compared as bytes, for taking them apart is most of the time that a long list takes.
 */
const REASON_ONLY = Uint8Array.of(0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01);

/** What the entries of a list say. */
export interface RevocationEntries {
  readonly serials: SerialSet;
  /** Why they must not be used (RFC 5280 5.3); undefined if they may. */
  readonly unusable: string | undefined;
}

/** Reads `revokedCertificates` in one pass over the bytes, which are kept. Throws SPIFFE_CERTIFICATE_INVALID. */
export function readRevocationEntries(entries: DerElement | undefined): RevocationEntries {
  const bytes = entries?.content ?? new Uint8Array();
  const serials = new SerialSet(bytes, bytes.length / LEAST_ENTRY_BYTES);
  const list = new DerCursor(bytes);
  const entry = new DerCursor(bytes);
  let unusable: string | undefined;
  while (list.advance()) {
    if (list.tag !== DerTag.sequence) throw malformed('entry');
    entry.rewind(list.contentStart, list.end);
    unusable ??= readEntry(entry, serials);
  }
  if (list.malformed) throw malformed('entries');
  return { serials, unusable };
}

/** Whether a tag is that of a time. */
export function isTime(element: { readonly tag: number } | undefined): boolean {
  return element?.tag === DerTag.utcTime || element?.tag === DerTag.generalizedTime;
}

/** Number, date, and maybe extensions; says what forbids to use it. */
function readEntry(entry: DerCursor, serials: SerialSet): string | undefined {
  const isNumber = entry.advance() && entry.tag === DerTag.integer;
  const { contentStart, end, bytes } = entry;
  if (!isNumber || end === contentStart) throw malformed('serial number of an entry');
  if (!entry.advance() || !isTime(entry) || entry.end - entry.contentStart < LEAST_TIME_BYTES)
    throw malformed('date of an entry');
  let start = contentStart;
  while (start < end - 1 && bytes[start] === 0) start++;
  serials.add(start, end);
  const problem = entry.advance() && !hasReasonOnly(entry) ? extensionProblem(entry) : undefined;
  if (entry.malformed || entry.advance()) throw malformed('entry');
  return problem;
}

function hasReasonOnly({ bytes, start, end }: DerCursor): boolean {
  if (end - start !== REASON_ONLY.length + 1) return false;
  for (let i = 0; i < REASON_ONLY.length; i++) if (bytes[start + i] !== REASON_ONLY[i]) return false;
  return true;
}

function extensionProblem({ bytes, start, end }: DerCursor): string | undefined {
  const [list] = decodeDerElements(bytes.subarray(start, end)) ?? [];
  for (const { id, critical } of decodeExtensions(list))
    if (critical && !EXTENSIONS_KNOWN.has(id)) return `critical extension ${id} of an entry is unknown`;
  return undefined;
}
