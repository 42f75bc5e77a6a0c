import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arbitraryPolicy } from '../testing/arbitrary-policy.ts';
import { buildPolicy, exact, ruleOf } from '../testing/build-policy.ts';
import { readPolicy } from '../validation/read-policy.ts';
import { packPolicy } from './packed-policy.ts';

test('nobody can tell it from the policy itself', () => {
  fc.assert(
    fc.property(arbitraryPolicy, (given) => {
      const policy = readPolicy(given);
      const packed = packPolicy(policy);
      expect(packed).toEqual(policy);
      // As threads and files have it.
      expect(structuredClone(packed)).toEqual(policy);
      expect(JSON.parse(JSON.stringify(packed))).toEqual(JSON.parse(JSON.stringify(policy)));
    }),
  );
});

test('its rules stay the same objects, and are a copy', () => {
  const policy = buildPolicy({ rules: ruleOf({ principals: [exact('a'), exact('"\ud800\u0000')] }) });
  const packed = packPolicy(policy);
  const { rules } = packed;
  expect(rules).toEqual(policy.rules);
  expect(rules).not.toBe(policy.rules);
  expect(packed.rules).toBe(rules);
});
