import type { IpRange } from '../matching/address-range.ts';
import type { IpAddress, IpWords } from '../matching/ip-address.ts';
import type { Subject } from '../matching/subject.ts';

/** What rules are looked up by. */
export type Key = string | number;

/** A part of connections that rules are looked up by. Of one shape for all kinds, so that the engine reads it fast. */
export interface Place {
  /** Equal for places that give the same keys. */
  readonly name: string;
  readonly kind: TextKind | RangeKind | 'destinationPort';
  /** Characters of a beginning or an end; 0 for all else. */
  readonly length: number;
  /** Of a range; 0 for all else. */
  readonly family: IpAddress['family'] | 0;
  readonly mask: IpWords;
}

type Text = 'principal' | 'namespace';
type TextKind = Text | `${Text} ${'prefix' | 'suffix'}`;
type RangeKind = 'sourceIp' | 'destinationIp';

const NO_RANGE = { family: 0, mask: [0, 0, 0, 0] } as const;

/** A whole text. */
export function textPlace(text: Text): Place {
  return { name: text, kind: text, length: 0, ...NO_RANGE };
}

/** The first (prefix) or last (suffix) `length` characters of a text. */
export function partPlace(text: Text, kind: 'prefix' | 'suffix', length: number): Place {
  return { name: `${text} ${kind} ${length}`, kind: `${text} ${kind}`, length, ...NO_RANGE };
}

/** The bits of an address that a range of this family and mask compares. */
export function rangePlace(kind: RangeKind, { family, mask }: IpRange): Place {
  return { name: `${kind} ${family} ${mask.join()}`, kind, length: 0, family, mask };
}

/** The port that the connection goes to. */
export function portPlace(): Place {
  return { name: 'destinationPort', kind: 'destinationPort', length: 0, ...NO_RANGE };
}

/** What a connection has in a place; undefined if that is nothing. */
export function readKey({ kind, length, family, mask }: Place, subject: Subject): Key | undefined {
  switch (kind) {
    case 'principal':
      return subject.principal;
    case 'principal prefix':
      return subject.principalParts?.first(length);
    case 'principal suffix':
      return subject.principalParts?.last(length);
    case 'namespace':
      return subject.namespace;
    case 'namespace prefix':
      return subject.namespaceParts.first(length);
    case 'namespace suffix':
      return subject.namespaceParts.last(length);
    case 'sourceIp':
      return family === subject.sourceIp.family ? rangeKey(subject.sourceIp.words, mask) : undefined;
    case 'destinationIp':
      return family === subject.destinationIp.family ? rangeKey(subject.destinationIp.words, mask) : undefined;
    case 'destinationPort':
      return subject.destinationPort;
  }
}

/** Equal for all addresses of a range, and seldom for those of others. */
export function rangeKey(words: IpWords, mask: IpWords): number {
  return (words[0] & mask[0]) ^ (words[1] & mask[1]) ^ (words[2] & mask[2]) ^ (words[3] & mask[3]);
}
