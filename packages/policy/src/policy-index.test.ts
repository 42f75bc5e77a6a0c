import { expect, test } from 'vitest';
import { type Policy, PolicyIndex } from './index.ts';

const policy = (over: Partial<Policy>): Policy => ({
  name: 'test_policy',
  namespace: 'default',
  scope: 'Namespace',
  action: 'Allow',
  dryRun: false,
  rules: [],
  ...over,
});

test('spec policy.md 7.8: a policy whose scope changes moves between indexes', () => {
  const index = new PolicyIndex();
  index.put(policy({}));
  expect(index.select('default', []).policies).toHaveLength(1);
  index.put(policy({ scope: 'WorkloadSelector' }));
  expect(index.select('default', []).policies).toHaveLength(0);
  expect(index.select('other', ['default/test_policy']).policies).toHaveLength(1);
});

test('a global policy applies everywhere, and once though it is named too', () => {
  const index = new PolicyIndex();
  index.put(policy({ scope: 'Global' }));
  expect(index.select('elsewhere', ['default/test_policy'])).toMatchObject({
    policies: [{ scope: 'Global' }],
    missing: [],
  });
});

test('a policy that is named and has not arrived is told, so that the caller can fail closed', () => {
  const index = new PolicyIndex();
  expect(index.select('default', ['default/late']).missing).toEqual(['default/late']);
  index.put(policy({ name: 'late', scope: 'WorkloadSelector' }));
  expect(index.select('default', ['default/late']).missing).toEqual([]);
  index.remove('default/late');
  expect(index.select('default', ['default/late']).missing).toEqual(['default/late']);
});
