import { contains, type IpRange, parseRange, unmapRange } from '../matching/address-range.ts';
import type { IpAddress } from '../matching/ip-address.ts';
import type { AddressRange } from '../policy.ts';
import type { FieldNote } from './field-note.ts';
import { renderRange } from './render-value.ts';

/** Values that are looked at for mistakes; lists that are longer come from programs, which make few. */
const MOST_VALUES_CHECKED = 64;

/** An IPv6 range that was meant for IPv4 addresses. */
interface MappedRange {
  readonly text: string;
  readonly meant: IpRange | undefined;
}

/** Says why ranges that were meant for an address do not contain it: families never cross (spec policy.md §4.3). */
export function prepareRangeNoter(ranges: readonly AddressRange[]): (ip: IpAddress) => FieldNote | undefined {
  const checked = ranges.slice(0, MOST_VALUES_CHECKED);
  const mapped = checked.flatMap((range) => findMapped(range) ?? []);
  const families = new Set(ranges.map((range) => parseRange(range)?.family));
  const [family, another] = families;
  const only = another === undefined ? family : undefined;
  return (ip) => {
    const [first] = mapped;
    if (first !== undefined && ip.family === 4) {
      const meant = mapped.find((range) => range.meant !== undefined && contains(range.meant, ip));
      return { text: (meant ?? first).text, misspelt: meant !== undefined };
    }
    if (only === undefined || only === ip.family) return undefined;
    const what = ranges.length === 1 ? 'the range is' : 'all ranges are';
    return { text: `the address is IPv${ip.family} and ${what} IPv${only}`, misspelt: false };
  };
}

function findMapped(range: AddressRange): MappedRange | undefined {
  const meant = unmapRange(range);
  if (meant === undefined) return undefined;
  return {
    text: `\`${renderRange(range)}\` contains no IPv4 address: write ${renderRange(meant)}`,
    meant: parseRange(meant),
  };
}
