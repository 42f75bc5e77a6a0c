import { expect, test } from 'vitest';
import { startLab } from '../client/start-lab.ts';
import { readCheckedPolicies, readPolicyTexts } from './policy-texts.ts';

const TWO = `# comment
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: one
spec:
  rules:
  - from:
    - source:
        principals: [cluster.local/ns/default/sa/sleep]
---
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: two
spec:
  action: FORBID
`;

test('a text is read document by document, empty ones left out; places are those of the file', () => {
  const [one, two, ...more] = readPolicyTexts([{ file: 'p.yaml', text: TWO }]);
  expect(more).toEqual([]);
  expect(one?.value).toMatchObject({ metadata: { name: 'one' } });
  expect(one?.locate('spec.rules[0].from[0].source')).toMatch(/^p\.yaml:9:\d+$/);
  expect(two?.locate('spec.action')).toMatch(/^p\.yaml:18:\d+$/);
});

test('what is not YAML is refused with its place', () => {
  expect(() => readPolicyTexts([{ file: 'p.yaml', text: 'a: [1\nb: 2\n' }])).toThrow(
    expect.objectContaining({
      code: 'LAB_POLICY_INVALID',
      message: expect.stringMatching(/^not YAML: p\.yaml:2:\d+: /),
    }),
  );
});

test('a lab without a mesh takes no policies', async () => {
  const starting = startLab({ mesh: false, policies: [TWO], environment: { PATH: '/nonexistent' } });
  await expect(starting).rejects.toMatchObject({ code: 'LAB_ARGUMENT_INVALID' });
});

test('a lab is not to begin with a malformed policy', () => {
  expect(() => readCheckedPolicies([{ file: 'p.yaml', text: TWO }])).toThrow(
    expect.objectContaining({
      code: 'LAB_POLICY_INVALID',
      message: expect.stringMatching(
        /^1 of 2 policies refused: p\.yaml:18:\d+: AuthorizationPolicy\/default\/two: spec\.action: .*ALLOW.*DENY/,
      ),
    }),
  );
});
