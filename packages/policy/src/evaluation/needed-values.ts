import { parseRange } from '../matching/address-range.ts';
import type { AddressRange, Clause, Match, Rule, StringMatch } from '../policy.ts';
import { type Key, type Place, partPlace, portPlace, rangeKey, rangePlace, textPlace } from './place.ts';

/** What a connection must have for a rule to match; of several, one. */
export interface NeededValue {
  readonly place: Place;
  /** What `readKey` gives there for each connection that has the value. */
  readonly key: Key;
}

/**
 * Values without one of which a rule cannot match, since each match of one of its clauses asks for some of them. Of several
 * such clauses, one whose values fewest connections have. Undefined if there is no such clause.
 */
export function findNeededValues(rule: Rule): readonly NeededValue[] | undefined {
  let needed: readonly NeededValue[] | undefined;
  let best = Number.POSITIVE_INFINITY;
  for (const clause of rule) {
    const values = listNeeded(clause);
    if (values === undefined) continue;
    const rank = values.reduce((most, { place }) => Math.max(most, rankOf(place)), 0);
    if (rank >= best) continue;
    needed = values;
    best = rank;
  }
  return needed;
}

/** How many connections have a value of this place: those of one client, of some, or of most. */
function rankOf({ kind }: Place): number {
  if (kind === 'principal' || kind === 'namespace') return 0;
  return kind === 'destinationPort' ? 2 : 1;
}

/** Undefined if a match asks for none, or if there is no match, so that the clause holds for everything. */
function listNeeded(clause: Clause): readonly NeededValue[] | undefined {
  if (clause.length === 0) return undefined;
  const values: NeededValue[] = [];
  for (const match of clause) {
    const ofMatch = pickList(match);
    if (ofMatch === undefined) return undefined;
    for (const value of ofMatch) values.push(value);
  }
  return values;
}

/** The values of a list that the match has, the one that fewest connections have. Undefined without any. */
function pickList(match: Match): readonly NeededValue[] | undefined {
  return (
    list(match.principals, (pattern) => needText('principal', pattern)) ??
    list(match.serviceAccounts, ({ namespace }) => needText('namespace', { kind: 'exact', value: namespace })) ??
    list(match.namespaces, (pattern) => needText('namespace', pattern)) ??
    list(match.sourceIps, (range) => needRange('sourceIp', range)) ??
    list(match.destinationIps, (range) => needRange('destinationIp', range)) ??
    list(match.destinationPorts, (port) => ({ place: portPlace(), key: port }))
  );
}

/** Undefined if the list has no values, or one that cannot be looked up. */
function list<Value>(
  wanted: readonly Value[] | undefined,
  need: (value: Value) => NeededValue | undefined,
): readonly NeededValue[] | undefined {
  if (wanted === undefined || wanted.length === 0) return undefined;
  const values: NeededValue[] = [];
  for (const one of wanted) {
    const value = need(one);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

/** Not being empty is nothing that can be looked up. */
function needText(field: 'principal' | 'namespace', pattern: StringMatch): NeededValue | undefined {
  if (pattern.kind === 'presence') return undefined;
  const { kind, value } = pattern;
  return { place: kind === 'exact' ? textPlace(field) : partPlace(field, kind, value.length), key: value };
}

function needRange(kind: 'sourceIp' | 'destinationIp', range: AddressRange): NeededValue | undefined {
  const parsed = parseRange(range);
  return parsed && { place: rangePlace(kind, parsed), key: rangeKey(parsed.words, parsed.mask) };
}
