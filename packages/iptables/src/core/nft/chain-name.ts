/** Begins the names that were changed, so that they cannot be those of another chain. */
const CHANGED = 'user-';
/** Begins the regular chains that stand for a base chain whose policy differs between the families. */
const STAND_IN = 'rules-';

/**
 * Name of a user chain in nftables. It stays as it is if that is safe: letters, digits, `_` and `-` with an upper-case
 * letter or an underscore, which no keyword of nft has (now or later). Others begin with `user-`, and what nft cannot
 * read is written `.` and its hexadecimal code. Different names stay different.
 */
export function renderChainName(chain: string): string {
  if (/^[A-Za-z][\w-]*$/.test(chain) && /[A-Z_]/.test(chain) && !chain.startsWith(CHANGED)) return chain;
  return `${CHANGED}${chain.replaceAll(/[^\w-]/gu, (char) => `.${(char.codePointAt(0) ?? 0).toString(16)}.`)}`;
}

/** Name of a built-in chain such as `PREROUTING`; no user chain gets it. */
export function renderBaseChainName(chain: string): string {
  return chain.toLowerCase();
}

/** Name of the regular chain that holds the rules of a built-in chain; no user chain gets it. */
export function renderStandInName(chain: string): string {
  return `${STAND_IN}${chain.toLowerCase()}`;
}
