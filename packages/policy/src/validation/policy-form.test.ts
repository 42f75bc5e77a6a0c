import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renderMessage } from '../message/render-message.ts';
import { arbitraryPolicy } from '../testing/arbitrary-policy.ts';
import { guessForm } from './policy-form.ts';

test.each([
  { data: { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', spec: {} }, form: 'object' },
  { data: { kind: 'AuthorizationPolicy' }, form: 'object' },
  { data: { metadata: { name: 'a' } }, form: 'object' },
  { data: { spec: {} }, form: 'object' },
  { data: { name: 'a', scope: 'NAMESPACE', rules: [] }, form: 'message' },
  { data: { name: 'a', dryRun: true, action: 'DENY' }, form: 'message' },
  { data: { name: 'a' }, form: 'message' },
  { data: { name: 'a', scope: 1 }, form: 'message' },
  { data: { name: 'a', rules: [] }, form: 'policy' },
  { data: { name: 'a', scope: 'namespace', rules: [] }, form: 'policy' },
  { data: undefined, form: 'policy' },
  { data: 'text', form: 'policy' },
])('$data is a $form', ({ data, form }) => {
  expect(guessForm(data)).toBe(form);
});

test('policies and their messages are told apart', () => {
  fc.assert(
    fc.property(arbitraryPolicy, (policy) => {
      expect([guessForm(policy), guessForm(renderMessage(policy))]).toEqual(['policy', 'message']);
    }),
    { numRuns: 100 },
  );
});
