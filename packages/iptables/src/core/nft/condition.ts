/** Part of an nft rule that packets must meet. */
export interface Condition {
  readonly text: string;
  /** It names `ip` or `ip6`, and packets of the other family never meet it. */
  readonly ofFamily?: true;
  /** It keeps count of the packets it has seen: only packets of its own rule and family may reach it. */
  readonly counting?: true;
}

/** All of these must hold: none for "always". `never` for what no packet meets. */
export type Conditions = readonly Condition[] | 'never';

/** What always holds, or never if turned around. */
export function always(negated: boolean | undefined): Conditions {
  return negated === true ? 'never' : [];
}

/** One condition. */
export function only(text: string, extra: Omit<Condition, 'text'> = {}): Conditions {
  return [{ text, ...extra }];
}

/** `!= ` where a match is turned around. */
export function unequal(match: { readonly negated?: true }): string {
  return match.negated === true ? '!= ' : '';
}
