import { FAMILY_BITS, parseRange } from '../matching/address-range.ts';
import { parseIpAddress } from '../matching/ip-address.ts';
import { MAX_PORT } from '../matching/port.ts';
import type { AddressRange, Match, ServiceAccountMatch, StringMatch } from '../policy.ts';
import { complete, type DataPlace } from './data-place.ts';
import { listChoices } from './describe-value.ts';
import { MATCH_FIELDS, type MatchValueKind } from './match-fields.ts';

const PATTERN_KINDS = ['exact', 'prefix', 'suffix', 'presence'] as const;
const ANY_PATTERN_KIND = listChoices(PATTERN_KINDS);

const FIELD_NAMES = [...MATCH_FIELDS.keys()];

/** How values of the kinds are read. */
type ValueReaders = Readonly<Record<MatchValueKind, (place: DataPlace) => unknown>>;

const READERS: ValueReaders = {
  pattern: readPattern,
  range: readRange,
  port: (place) => place.integer(MAX_PORT),
  account: readAccount,
};

/** A match of the own form; what is wrong with it is noted. Empty lists are left out, for they are no condition. */
export function readMatch(place: DataPlace): Match {
  return readMatchWith(place, READERS);
}

/** As `readMatch`, of the local configuration of a node proxy: patterns are `{"Exact": "x"}`, ranges `"10.0.0.0/8"`. */
export function readLocalMatch(place: DataPlace): Match {
  return readMatchWith(place, LOCAL_READERS);
}

function readMatchWith(place: DataPlace, readers: ValueReaders): Match {
  const fields = place.fields(FIELD_NAMES);
  const match: { [field: string]: readonly unknown[] } = {};
  for (const [name, kind] of MATCH_FIELDS) {
    const values = fields.optional(name, (field) => field.list(readers[kind]));
    if (values !== undefined && values.length > 0) match[name] = values;
  }
  return match;
}

function readPattern(place: DataPlace): StringMatch | undefined {
  const fields = place.fields(['kind', 'value']);
  const kind = fields.required('kind', ANY_PATTERN_KIND, (field) => field.choice(PATTERN_KINDS));
  if (kind === 'presence') {
    fields.optional('value', (field) => field.fail('presence has no value: leave it out'));
    return { kind };
  }
  return complete<StringMatch>({ kind, value: fields.required('value', 'text', (field) => field.text()) });
}

function readRange(place: DataPlace): AddressRange | undefined {
  const fields = place.fields(['address', 'length']);
  const address = fields.required('address', 'an IPv4 or IPv6 address', readAddress);
  const most = FAMILY_BITS[(address === undefined ? undefined : parseIpAddress(address)?.family) ?? 6];
  const length = fields.required('length', 'the number of bits that count', (field) => field.integer(most));
  return complete<AddressRange>({ address, length });
}

function readAddress(place: DataPlace): string | undefined {
  const text = place.text();
  return text === undefined || parseIpAddress(text) !== undefined ? text : place.refuse('an IPv4 or IPv6 address');
}

function readAccount(place: DataPlace): ServiceAccountMatch | undefined {
  const fields = place.fields(['namespace', 'serviceAccount']);
  return complete<ServiceAccountMatch>({
    namespace: fields.required('namespace', 'text', (field) => field.text()),
    serviceAccount: fields.required('serviceAccount', 'text', (field) => field.text()),
  });
}

const LOCAL_KINDS = ['Exact', 'Prefix', 'Suffix', 'Presence'] as const;
const LOCAL_READERS: ValueReaders = { ...READERS, pattern: readLocalPattern, range: readLocalRange };

function readLocalPattern(place: DataPlace): StringMatch | undefined {
  const known = place.problems.length;
  const fields = place.fields(LOCAL_KINDS);
  const [name, surplus] = fields.names;
  if (place.problems.length > known) return undefined;
  if (name === undefined || surplus !== undefined) return place.fail(`want one of ${listChoices(LOCAL_KINDS)}`);
  if (name === 'Presence') return { kind: 'presence' };
  const kind = PATTERN_KINDS.find((each) => each === name.toLowerCase());
  return complete<StringMatch>({ kind, value: fields.optional(name, (field) => field.text()) });
}

function readLocalRange(place: DataPlace): AddressRange | undefined {
  const text = place.text();
  if (text === undefined) return undefined;
  const [, address = '', digits] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const range = { address, length: Number(digits) };
  return parseRange(range) === undefined ? place.refuse('a range such as 10.0.0.0/8 or 2001:db8::/32') : range;
}
