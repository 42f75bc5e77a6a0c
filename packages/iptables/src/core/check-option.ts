import { IptablesError } from '../errors.ts';

/** What a switch may be; absent is its default. */
export const SWITCH: readonly unknown[] = [true, false, undefined];

/**
 * Refuses an option that is none of `allowed`: the compiler does that for TypeScript, but options also come from
 * JavaScript and JSON, and a misspelt one would be taken for the other choice. Throws `IPTABLES_RULE_INVALID`.
 */
export function checkOption(name: string, value: unknown, allowed: readonly unknown[]): void {
  if (allowed.includes(value)) return;
  const wanted = allowed.filter((choice) => choice !== undefined).map(String);
  const found = JSON.stringify(value) ?? String(value);
  throw new IptablesError('IPTABLES_RULE_INVALID', `option ${name} is ${found}: want ${wanted.join(' or ')}`);
}
