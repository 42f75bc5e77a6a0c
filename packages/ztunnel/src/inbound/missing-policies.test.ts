import { expect, test } from 'vitest';
import { MISSING_POLICY_GRACE_MS, MissingPolicies } from './missing-policies.ts';

test('each has its own grace, from when it was missed first', () => {
  const missing = new MissingPolicies();
  expect(missing.observe(['a', 'b'], 1000)).toEqual(['a', 'b']);
  expect(missing.observe(['a', 'c'], 2000)).toEqual(['c']);
  expect(missing.nextDueMs(2000)).toBe(MISSING_POLICY_GRACE_MS - 1000);
  expect(missing.overdue(999 + MISSING_POLICY_GRACE_MS)).toEqual([]);
  expect(missing.overdue(1000 + MISSING_POLICY_GRACE_MS)).toEqual(['a']);
  expect(missing.nextDueMs(1000 + MISSING_POLICY_GRACE_MS)).toBe(1000);
});

test('one that has come and gone again begins anew', () => {
  const missing = new MissingPolicies();
  missing.observe(['a'], 0);
  missing.observe([], MISSING_POLICY_GRACE_MS);
  expect(missing.nextDueMs(0)).toBeUndefined();
  expect(missing.observe(['a'], MISSING_POLICY_GRACE_MS)).toEqual(['a']);
  expect(missing.overdue(MISSING_POLICY_GRACE_MS)).toEqual([]);
});
