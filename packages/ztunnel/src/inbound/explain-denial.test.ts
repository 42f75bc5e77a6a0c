import { compile, type Policy } from '@ambientmesh/policy';
import { expect, test } from 'vitest';
import { explainDenials, MAX_COMPARED_RULES } from './explain-denial.ts';

const workload = { namespace: 'default', authorizationPolicies: [] };
const connection = { identity: undefined, sourceIp: '10.0.0.1', destinationIp: '10.0.0.2', destinationPort: 80 };

function policy(name: string, rules: number): Policy {
  const rule = [[{ namespaces: [{ kind: 'exact' as const, value: name }] }]];
  const about = { namespace: 'default', scope: 'Namespace', action: 'Allow', dryRun: false } as const;
  return { name, ...about, rules: Array.from({ length: rules }, () => rule) };
}

const policies = (count: number, rules: number): Policy[] =>
  Array.from({ length: count }, (_, index) => policy(`p${index}`, rules));

test.each([
  { what: 'none', all: [] },
  { what: 'as many rules as are compared', all: policies(MAX_COMPARED_RULES / 10, 10) },
  { what: 'one policy of very many rules: it is cut', all: policies(1, 3 * MAX_COMPARED_RULES) },
])('explained: $what', ({ all }) => {
  expect(explainDenials(compile(all))(connection, workload)).toMatchObject({ policies: { length: all.length } });
});

test.each([
  { what: 'a policy too many', all: policies(MAX_COMPARED_RULES / 10 + 1, 10), told: '101 policies with 1010 rules' },
  { what: 'policies without rules', all: policies(MAX_COMPARED_RULES + 1, 0), told: '1001 policies with 0 rules' },
])('not explained, with the reason: $what', ({ all, told }) => {
  expect(explainDenials(compile(all))(connection, workload)).toContain(told);
});

test('policies that do not apply do not count', () => {
  const others = policies(MAX_COMPARED_RULES, 10).map((one) => ({ ...one, namespace: 'other' }));
  expect(explainDenials(compile(others))(connection, workload)).toMatchObject({ policies: [] });
});
