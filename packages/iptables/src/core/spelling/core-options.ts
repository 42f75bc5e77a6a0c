/** Options of the tool itself that a rule can have: one letter, as listed. */
export type CoreOption = '-s' | '-d' | '-i' | '-o' | '-p' | '-f' | '-m' | '-j' | '-g' | '-4' | '-6' | '-c';

/** Long names that mean one of them. */
const LONG: ReadonlyMap<string, CoreOption> = new Map([
  ['source', '-s'],
  ['src', '-s'],
  ['destination', '-d'],
  ['dst', '-d'],
  ['in-interface', '-i'],
  ['out-interface', '-o'],
  ['protocol', '-p'],
  ['fragments', '-f'],
  ['match', '-m'],
  ['jump', '-j'],
  ['goto', '-g'],
  ['ipv4', '-4'],
  ['ipv6', '-6'],
  ['set-counters', '-c'],
]);

/** What the tool knows besides: an abbreviation of both is of none. */
const OTHERS: readonly string[] = (
  'append delete check insert replace list list-rules flush zero new-chain delete-chain rename-chain policy table ' +
  'numeric verbose wait wait-interval exact version help line-numbers modprobe'
).split(' ');

const SHORT: ReadonlySet<string> = new Set(LONG.values());

/** The option written with one letter, such as `-s`. */
export function shortOption(word: string): CoreOption | undefined {
  return isCoreOption(word) ? word : undefined;
}

/** The option of that long name, without dashes. */
export function longOption(name: string): CoreOption | undefined {
  return LONG.get(name);
}

/** What an abbreviated name may mean; undefined stands for what no rule can have. */
export function longOptionsFrom(start: string): ReadonlySet<CoreOption | undefined> {
  const found = new Set<CoreOption | undefined>();
  for (const [name, option] of LONG) if (name.startsWith(start)) found.add(option);
  if (OTHERS.some((name) => name.startsWith(start))) found.add(undefined);
  return found;
}

function isCoreOption(word: string): word is CoreOption {
  return SHORT.has(word);
}
