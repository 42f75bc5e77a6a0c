import { expect, test } from 'vitest';
import { convertPolicies } from './convert-policies.ts';
import type { SelectedWorkload } from './peer-authentication-scope.ts';
import type { PolicyObject } from './policy-object.ts';

/** Data that no type has ever seen. */
const parseObject = (json: string): PolicyObject => JSON.parse(json);
const head = (kind: string) =>
  `"apiVersion":"security.istio.io/v1","kind":"${kind}","metadata":{"name":"p","namespace":"n"}`;

test.each([
  ['another kind', '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"p","namespace":"n"}}', 'kind: want'],
  [
    'an action in small letters',
    `{${head('AuthorizationPolicy')},"spec":{"action":"deny"}}`,
    'spec.action: want ALLOW',
  ],
  ['a mode that is none', `{${head('PeerAuthentication')},"spec":{"mtls":{"mode":"strict"}}}`, 'want UNSET, DISABLE'],
  ['an unknown field', `{${head('AuthorizationPolicy')},"spec":{"rule":[]}}`, 'spec.rule: unknown field'],
  ['nothing', 'null', 'want a map'],
])('%s is refused, not converted to something else', (_name, json, message) => {
  expect(() => convertPolicies([parseObject(json)])).toThrow(
    expect.objectContaining({ code: 'POLICY_INVALID', message: expect.stringContaining(message) }),
  );
});

test.each(['AuthorizationPolicy', 'PeerAuthentication'])(
  '%s without a namespace is refused, not for the whole mesh',
  (kind) => {
    const object = parseObject(`{${head(kind)}}`.replace(',"namespace":"n"', ''));
    expect(() => convertPolicies([object])).toThrow(
      expect.objectContaining({
        code: 'POLICY_INVALID',
        problems: [{ severity: 'error', path: 'metadata.namespace', message: expect.stringContaining('is missing') }],
      }),
    );
    expect(() => convertPolicies([object], { withoutNamespace: true })).not.toThrow();
  },
);

test('null is a field that is not set, as for the API server', () => {
  const object = parseObject(`{${head('AuthorizationPolicy')},"spec":{"selector":null,"rules":null}}`);
  const [policy] = convertPolicies([object]).policies;
  expect(policy).toMatchObject({ scope: 'Namespace', action: 'Allow', rules: [] });
});

test.each([
  ['{"namespace":"n"}', 'labels of the workload: want a map, not nothing'],
  ['{"namespace":"n","labels":null}', 'labels of the workload: want a map, not null'],
  ['{"labels":{}}', 'namespace of the workload: want text, not nothing'],
  ['null', 'want a workload, not null'],
])('%s is no workload', (json, message) => {
  const { policiesOf, strictBy } = convertPolicies([]);
  const workload: SelectedWorkload = JSON.parse(json);
  const refused = expect.objectContaining({ code: 'POLICY_INVALID', message });
  expect(() => policiesOf(workload)).toThrow(refused);
  expect(() => strictBy(workload)).toThrow(refused);
});
