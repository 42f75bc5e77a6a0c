import { expect, test } from 'vitest';
import { convertRule } from './convert-rule.ts';
import { findContradiction } from './find-contradictions.ts';
import type { PolicyRule } from './policy-object.ts';

const PORTS = 'its conditions on the destination port exclude each other';
const CLIENT = 'its conditions on the client exclude each other';
const SLEEP = 'cluster.local/ns/a/sa/sleep';
const to = (...operations: readonly object[]) => operations.map((operation) => ({ operation }));
const from = (...sources: readonly object[]) => sources.map((source) => ({ source }));
const when = (key: string, ...values: readonly string[]) => ({ key, values });

test.each<[string, PolicyRule, string | undefined]>([
  ['no conditions', {}, undefined],
  ['one port', { to: to({ ports: ['80'] }) }, undefined],
  ['another port in when', { to: to({ ports: ['8080'] }), when: [when('destination.port', '9000')] }, PORTS],
  [
    'the same port in when',
    { to: to({ ports: ['8080'] }), when: [when('destination.port', '9000', '8080')] },
    undefined,
  ],
  [
    'an entry of any port',
    { to: to({ ports: ['80'] }, { notPorts: ['1'] }), when: [when('destination.port', '9')] },
    undefined,
  ],
  [
    'entries of other ports',
    { to: to({ ports: ['80'] }, { ports: ['81'] }), when: [when('destination.port', '9')] },
    PORTS,
  ],
  ['a port and not it', { to: to({ ports: ['80'], notPorts: ['80'] }) }, PORTS],
  ['one of two entries', { to: to({ ports: ['80'], notPorts: ['80'] }, { ports: ['81'] }) }, undefined],
  ['HTTP alone beside it', { to: to({ methods: ['GET'] }), when: [when('destination.port', '9')] }, undefined],
  ['a principal of another namespace', { from: from({ principals: [SLEEP], namespaces: ['b'] }) }, CLIENT],
  ['a principal of the namespace', { from: from({ principals: [SLEEP], namespaces: ['b', 'a*'] }) }, undefined],
  ['a principal, not of its namespace', { from: from({ principals: [SLEEP], notNamespaces: ['a'] }) }, CLIENT],
  ['a principal and not it', { from: from({ principals: [SLEEP], notPrincipals: ['*'] }) }, CLIENT],
  ['a pattern that may be somebody', { from: from({ principals: [SLEEP, '*'], namespaces: ['b'] }) }, undefined],
  ['namespaces in when', { from: from({ namespaces: ['a'] }), when: [when('source.namespace', 'b')] }, CLIENT],
  [
    'a pattern of namespaces in when',
    { from: from({ namespaces: ['a'] }), when: [when('source.namespace', 'a*')] },
    undefined,
  ],
  ['a principal in when', { from: from({ namespaces: ['b'] }), when: [when('source.principal', SLEEP)] }, CLIENT],
  ['two entries', { from: from({ principals: [SLEEP], namespaces: ['b'] }, { namespaces: ['b'] }) }, undefined],
])('%s', (_name, rule, contradiction) => {
  expect(findContradiction(convertRule(rule, 'n').rule)).toBe(contradiction);
});

test('rules of thousands of entries are not compared', () => {
  const entries = Array.from({ length: 10_000 }, () => ({ ports: ['80'] }));
  const rule = { to: to(...entries), when: [when('destination.port', '9')] };
  expect(findContradiction(convertRule(rule, 'n').rule)).toBeUndefined();
});
