import type { AddressRange, Match, ServiceAccountMatch, StringMatch } from '../policy.ts';
import type { DataPlace } from '../validation/data-place.ts';
import { MATCH_FIELDS, type MatchValueKind } from '../validation/match-fields.ts';
import { decodeBase64, renderAddressBytes } from './address-bytes.ts';

/** What a value becomes that is dropped without a word: the match is as if it were not there. */
type Dropped = null;

const MOST_UINT32 = 0xffff_ffff;
const LOW_16_BITS = 0xffff;
const LOW_8_BITS = 0xff;
/** Bits of an address, by its bytes. */
const BITS_PER_BYTE = 8;

const FIELD_NAMES = [...MATCH_FIELDS.keys(), 'extensions'];
const PATTERN_KINDS = ['exact', 'prefix', 'suffix', 'presence'] as const;

const READERS: Record<MatchValueKind, (place: DataPlace) => unknown> = {
  pattern: readPattern,
  range: readRange,
  port: readPort,
  account: readAccount,
};

/** A match of a message; what is wrong with it is noted. Lists that are empty once values have been dropped are left out. */
export function readMatchMessage(place: DataPlace): Match {
  const fields = place.fields(FIELD_NAMES, 'proto');
  const match: { [field: string]: readonly unknown[] } = {};
  for (const [name, kind] of MATCH_FIELDS) {
    const values = fields.optional(name, (field) => field.list(READERS[kind]))?.filter((value) => value !== null);
    if (values !== undefined && values.length > 0) match[name] = values;
  }
  return match;
}

function readPattern(place: DataPlace): StringMatch | Dropped | undefined {
  const known = place.problems.length;
  const fields = place.fields(PATTERN_KINDS, 'proto');
  if (place.problems.length > known) return undefined;
  const [name, surplus] = fields.names;
  if (surplus !== undefined)
    return place.fail(`want one of ${PATTERN_KINDS.join(', ')}, not ${fields.names.join(' and ')}`);
  const kind = PATTERN_KINDS.find((each) => each === name);
  if (kind === undefined) return drop(place, 'it says nothing');
  if (kind === 'presence') {
    fields.optional(kind, (field) => field.fields([], 'proto'));
    return { kind };
  }
  const value = fields.optional(kind, (field) => field.text());
  return value === undefined ? undefined : { kind, value };
}

function readRange(place: DataPlace): AddressRange | Dropped | undefined {
  const known = place.problems.length;
  const fields = place.fields(['address', 'length'], 'proto');
  const bytes = fields.optional('address', readBytes) ?? new Uint8Array();
  const whole = fields.optional('length', readUint32) ?? 0;
  if (place.problems.length > known) return undefined;
  const length = whole & LOW_8_BITS;
  if (length !== whole) fields.optional('length', (field) => field.doubt(`is cut to 8 bits: ${length}`));
  const address = renderAddressBytes(bytes);
  if (address === undefined) return drop(place, `an address has 4 or 16 bytes, not ${bytes.length}`);
  const most = bytes.length * BITS_PER_BYTE;
  return length > most ? drop(place, `its length is at most ${most} bits, not ${length}`) : { address, length };
}

function readPort(place: DataPlace): number | undefined {
  const value = readUint32(place);
  if (value === undefined) return undefined;
  const port = value & LOW_16_BITS;
  if (port !== value) place.doubt(`is cut to 16 bits: ${port}`);
  return port;
}

function readAccount(place: DataPlace): ServiceAccountMatch {
  const fields = place.fields(['namespace', 'serviceAccount'], 'proto');
  const text = (name: string): string => fields.optional(name, (field) => field.text()) ?? '';
  return { namespace: text('namespace'), serviceAccount: text('serviceAccount') };
}

function readBytes(place: DataPlace): Uint8Array | undefined {
  const text = place.text();
  return text === undefined ? undefined : (decodeBase64(text) ?? place.refuse('bytes in base64'));
}

/** What is left may match more, or nothing (spec policy.md §2): node proxies read it so, so this has to as well. */
function drop(place: DataPlace, why: string): Dropped {
  place.doubt(`is dropped: ${why}`);
  return null;
}

/** JSON of protocol buffers has numbers as text, too. */
function readUint32(place: DataPlace): number | undefined {
  const { value } = place;
  const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= MOST_UINT32) return number;
  return place.refuse(`a whole number from 0 to ${MOST_UINT32}`);
}
