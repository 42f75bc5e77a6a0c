import { expect, test } from 'vitest';
import type { Connection, Policy, Rule } from '../policy.ts';
import { PortCases } from './port-cases.ts';

const MOST = 2_000;
const PORTS = Array.from({ length: MOST }, (_, index) => index + 1);

function policy(rules: readonly Rule[], dryRun = false): Policy {
  return { name: 'p', namespace: 'n', scope: 'Namespace', action: 'Deny', dryRun, rules };
}

function from(serviceAccount: string, sourceIp = '10.0.0.1'): Connection {
  const identity = { trustDomain: 'td', namespace: 'n', serviceAccount };
  return { identity, sourceIp, destinationIp: '10.0.0.2', destinationPort: 1 };
}

/** How often each of `clients` makes that the policies are asked. */
function count(policies: readonly Policy[], clients: readonly Connection[]): readonly number[] {
  const cases = new PortCases(policies);
  return clients.map((client) => {
    let asked = 0;
    const alike = cases.areAlike(client, () => {
      asked++;
      return 'same';
    });
    expect(alike).toBe(true);
    return asked;
  });
}

const ONE = { namespace: 'n', serviceAccount: 'one' };

test.each([
  ['ports of one list are one case', [policy([[[{ destinationPorts: PORTS }]]])], [2]],
  ['ports of rules are one each', [policy(PORTS.map((port) => [[{ destinationPorts: [port] }]]))], [MOST + 1]],
  [
    'lists that share ports: each combination',
    [policy([[[{ destinationPorts: [1, 2, 3] }]], [[{ notDestinationPorts: [3, 4, 5] }]]])],
    [4],
  ],
  ['no ports', [policy([[]])], [1]],
  ['dry-run policies do not count', [policy([[[{ destinationPorts: [1] }]]], true)], [1]],
  [
    'a client that no policy tells from another costs nothing more',
    [policy(PORTS.map((port) => [[{ destinationPorts: [port] }], [{ serviceAccounts: [ONE] }]]))],
    [1, 0, MOST + 1, 0],
    [from('two'), from('three'), from('one'), from('one', '10.0.0.9')],
  ],
  [
    'in one match as well',
    [policy(PORTS.map((port) => [[{ destinationPorts: [port], serviceAccounts: [ONE] }]]))],
    [1, 0, MOST + 1, 0],
    [from('two'), from('three'), from('one'), from('one', '10.0.0.9')],
  ],
  [
    'every port is in a list',
    [policy([[[{ destinationPorts: Array.from({ length: 65_535 }, (_, i) => i + 1) }]]])],
    [1],
  ],
])('%s', (_name, policies: readonly Policy[], asked, clients: readonly Connection[] = [from('one')]) => {
  expect(count(policies, clients)).toEqual(asked);
});

test('no more is asked once a port differs, and that is remembered', () => {
  const cases = new PortCases([policy(PORTS.map((port) => [[{ destinationPorts: [port] }]]))]);
  const asked: number[] = [];
  const judge = (port: number): string => {
    asked.push(port);
    return String(port === 1);
  };
  expect(cases.areAlike(from('one'), judge)).toBe(false);
  expect(asked).toEqual([65_535, 1]);
  expect(cases.areAlike(from('one'), judge)).toBe(false);
  expect(cases.areAlike(from('two'), judge)).toBe(false);
  expect(asked).toHaveLength(2);
});
