import { NetnsError } from '../../errors.ts';

/** The number of a name of `table`; numbers of one byte stand for themselves. Throws `NETNS_INVALID_ARGUMENT`. */
export function numberOf<Name extends string>(
  table: Readonly<Record<Name, number>>,
  value: Name | number,
  what: string,
): number {
  const number = typeof value === 'number' ? value : table[value];
  if (!Number.isInteger(number) || number < 0 || number > 0xff)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `${what} ${value} is unknown (want a name or a number up to 255)`);
  return number;
}

/** The name of a number in `table`, or the number. */
export function nameOf<Name extends string>(table: Readonly<Record<Name, number>>, number: number): Name | number {
  for (const name in table) if (table[name] === number) return name;
  return number;
}

/** How far an address or route reaches; a number where the kernel's table has no name. */
export type Scope = 'global' | 'site' | 'link' | 'host' | 'nowhere' | number;

/** `enum rt_scope_t` of linux/rtnetlink.h. */
export const SCOPE_NUMBERS: Readonly<Record<Exclude<Scope, number>, number>> = {
  global: 0,
  site: 200,
  link: 253,
  host: 254,
  nowhere: 255,
};
