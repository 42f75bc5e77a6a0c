import { describe, expect, test } from 'vitest';
import { convertRule } from './convert-rule.ts';
import { findContradiction } from './find-contradictions.ts';
import type { PolicyRule } from './policy-object.ts';

const PORTS = 'its conditions on the destination port exclude each other';
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
  [
    'three parts, of which any two agree',
    { to: to({ ports: ['1', '2'] }), when: [when('destination.port', '2', '3'), when('destination.port', '1', '3')] },
    PORTS,
  ],
  ['one client and another', { from: from({ principals: ['td/ns/a/sa/b'], namespaces: ['b'] }) }, undefined],
])('%s', (_name, rule, contradiction) => {
  expect(findContradiction(convertRule(rule, 'n').rule)).toBe(contradiction);
});

describe('rules of thousands of conditions', () => {
  const MANY = 10_000;
  const numbers = Array.from({ length: MANY }, (_, at) => `${at}`);

  test('entries', () => {
    const rule = { to: to(...numbers.map(() => ({ ports: ['80'] }))), when: [when('destination.port', '9')] };
    expect(findContradiction(convertRule(rule, 'n').rule)).toBe(PORTS);
  });

  // Compared two by two, they would take a minute.
  test('conditions in when', () => {
    const rule = { when: numbers.map(() => when('destination.port', '9', '8')) };
    expect(findContradiction(convertRule(rule, 'n').rule)).toBeUndefined();
  });

  test('ports, which are not tried', () => {
    const rule = { to: to({ ports: numbers, notPorts: numbers }) };
    expect(findContradiction(convertRule(rule, 'n').rule)).toBeUndefined();
  });
});
