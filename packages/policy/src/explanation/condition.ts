import { contains, type IpRange, parseRange } from '../matching/address-range.ts';
import { matchesAccount, matchesNamespace, matchesPrincipal } from '../matching/field-value.ts';
import type { Subject } from '../matching/subject.ts';
import type { AddressRange, Match, ServiceAccountMatch, StringMatch } from '../policy.ts';
import type { FieldName } from './explanation.ts';
import type { Facts } from './facts.ts';
import { type FieldNote, type Noter, prepareNoter } from './field-note.ts';
import { renderAccount, renderPattern, renderRange } from './render-value.ts';

/** What of a connection a condition looks at. Changing one aspect leaves the conditions on the others as they are. */
export type Aspect = 'identity' | 'sourceIp' | 'destinationIp' | 'destinationPort';

/** One list of a match that has values, ready to be compared and shown many times. */
export interface Condition {
  readonly field: FieldName;
  readonly match: Match;
  /** Whether it holds if no value is met. */
  readonly negative: boolean;
  readonly aspect: Aspect;
  /** The first values as text, and how many more there are. */
  readonly wanted: readonly string[];
  readonly more: number;
  holds(subject: Subject): boolean;
  /** The first `limit` values as text. */
  render(limit: number): readonly string[];
  /** What the connection has, as text. */
  actual(facts: Facts): string;
  note(facts: Facts, holds: boolean): FieldNote | undefined;
}

/** Of a longer list, so many values are told. */
export const MOST_VALUES = 16;

/** What of one kind of value is the same in the positive and the negative list. */
interface Kind<V, P> {
  readonly aspect: Aspect;
  readonly actual: keyof Facts['texts'];
  readonly prepare: (value: V) => P;
  readonly is: (value: P, subject: Subject) => boolean;
  readonly text: (value: V) => string;
}

const asItIs = <V>(value: V): V => value;
const NAMESPACE: Kind<StringMatch, StringMatch> = {
  aspect: 'identity',
  actual: 'namespace',
  prepare: asItIs,
  is: matchesNamespace,
  text: renderPattern,
};
const PRINCIPAL: Kind<StringMatch, StringMatch> = {
  aspect: 'identity',
  actual: 'principal',
  prepare: asItIs,
  is: matchesPrincipal,
  text: renderPattern,
};
const SOURCE_IP: Kind<AddressRange, IpRange | undefined> = {
  aspect: 'sourceIp',
  actual: 'sourceIp',
  prepare: parseRange,
  is: (range, { sourceIp }) => range !== undefined && contains(range, sourceIp),
  text: renderRange,
};
const DESTINATION_IP: Kind<AddressRange, IpRange | undefined> = {
  aspect: 'destinationIp',
  actual: 'destinationIp',
  prepare: parseRange,
  is: (range, { destinationIp }) => range !== undefined && contains(range, destinationIp),
  text: renderRange,
};
const PORT: Kind<number, number> = {
  aspect: 'destinationPort',
  actual: 'destinationPort',
  prepare: asItIs,
  is: (port, { destinationPort }) => port === destinationPort,
  text: String,
};
const ACCOUNT: Kind<ServiceAccountMatch, ServiceAccountMatch> = {
  aspect: 'identity',
  actual: 'account',
  prepare: asItIs,
  is: matchesAccount,
  text: renderAccount,
};

/** In the order of spec policy.md §1. */
const LISTS: readonly ((match: Match) => Condition | undefined)[] = [
  (match) => condition('namespaces', NAMESPACE, match, match.namespaces),
  (match) => condition('notNamespaces', NAMESPACE, match, match.notNamespaces),
  (match) => condition('principals', PRINCIPAL, match, match.principals),
  (match) => condition('notPrincipals', PRINCIPAL, match, match.notPrincipals),
  (match) => condition('sourceIps', SOURCE_IP, match, match.sourceIps),
  (match) => condition('notSourceIps', SOURCE_IP, match, match.notSourceIps),
  (match) => condition('destinationIps', DESTINATION_IP, match, match.destinationIps),
  (match) => condition('notDestinationIps', DESTINATION_IP, match, match.notDestinationIps),
  (match) => condition('destinationPorts', PORT, match, match.destinationPorts),
  (match) => condition('notDestinationPorts', PORT, match, match.notDestinationPorts),
  (match) => condition('serviceAccounts', ACCOUNT, match, match.serviceAccounts),
  (match) => condition('notServiceAccounts', ACCOUNT, match, match.notServiceAccounts),
];

/** The conditions that a match has. None: it matches nothing. */
export function listConditions(match: Match): readonly Condition[] {
  const conditions: Condition[] = [];
  for (const list of LISTS) {
    const found = list(match);
    if (found !== undefined) conditions.push(found);
  }
  return conditions;
}

function condition<V, P>(
  field: FieldName,
  kind: Kind<V, P>,
  match: Match,
  values: readonly V[] | undefined,
): Condition | undefined {
  return values === undefined || values.length === 0 ? undefined : new ListCondition(field, kind, match, values);
}

class ListCondition<V, P> implements Condition {
  readonly field: FieldName;
  readonly match: Match;
  readonly negative: boolean;
  readonly aspect: Aspect;
  readonly wanted: readonly string[];
  readonly more: number;
  readonly #kind: Kind<V, P>;
  readonly #values: readonly V[];
  readonly #prepared: readonly P[];
  readonly #noter: Noter | undefined;

  constructor(field: FieldName, kind: Kind<V, P>, match: Match, values: readonly V[]) {
    this.field = field;
    this.match = match;
    this.negative = field.startsWith('not');
    this.aspect = kind.aspect;
    this.#kind = kind;
    this.#values = values;
    this.#prepared = values.map(kind.prepare);
    this.#noter = prepareNoter(field, match);
    this.wanted = this.render(MOST_VALUES);
    this.more = values.length - this.wanted.length;
  }

  holds(subject: Subject): boolean {
    for (const value of this.#prepared) if (this.#kind.is(value, subject)) return !this.negative;
    return this.negative;
  }

  render(limit: number): readonly string[] {
    return this.#values.slice(0, limit).map(this.#kind.text);
  }

  actual({ texts }: Facts): string {
    return texts[this.#kind.actual];
  }

  note(facts: Facts, holds: boolean): FieldNote | undefined {
    return this.#noter?.(facts, holds);
  }
}
