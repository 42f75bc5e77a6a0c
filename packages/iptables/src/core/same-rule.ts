import type { Rule } from './rule.ts';

/**
 * Whether both rules are the same data, counters and position aside. Rules that differ here may still be the same to the
 * kernel: the text they are listed as decides. This is the cheap look before that.
 */
export function hasSameData(a: Rule, b: Rule): boolean {
  return isSame(a.matches, b.matches) && isSame(a.target, b.target);
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, at) => isSame(item, b[at]));
  if (!isRecord(a) || !isRecord(b) || Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => isSame(a[key], b[key]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
