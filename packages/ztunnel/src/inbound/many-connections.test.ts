import type { Connection, Match, Policy } from '@ambientmesh/policy';
import { expect, test } from 'vitest';
import { StateChanges } from '../data-plane/state-changes.ts';
import { createTestPod } from '../data-plane/testing/test-pod.ts';
import { workload } from '../state/fixtures.ts';
import type { PolicedConnection } from './policed-connection.ts';

const server = workload({ name: 'server', ips: ['127.0.0.1'] });

function deny(name: string, match: Match): Policy {
  return { name, namespace: 'default', scope: 'Namespace', action: 'Deny', dryRun: false, rules: [[[match]]] };
}

test('10,000 running connections are judged in slices, with less than a second of work, and all of them cut', async () => {
  const made = createTestPod();
  made.state.putWorkload(server, []);
  const { authorization } = made.pod;
  for (let i = 0; i < 20; i++)
    made.context.policies.put(deny(`p${i}`, { namespaces: [{ kind: 'exact', value: `x${i}` }] }));
  const cut = new Set<PolicedConnection>();
  for (let i = 0; i < 10_000; i++) {
    const sourceIp = `10.0.${i >> 8}.${i & 255}`;
    const judged: Connection = { identity: undefined, sourceIp, destinationIp: '127.0.0.1', destinationPort: 80 };
    const one: PolicedConnection = {
      judged,
      clientPort: i,
      spans: [],
      deny: () => {
        cut.add(one);
        authorization.ended(one);
      },
    };
    authorization.admit(one, server);
  }
  // Not the time on the clock: this machine may have other work.
  const begin = process.cpuUsage();
  new StateChanges(made.context, () => [made.pod]).apply([
    { type: 'policy', policy: deny('deny', { destinationPorts: [80] }) },
  ]);
  expect(cut.size).toBe(0);
  let turns = 0;
  while (cut.size < 10_000) {
    turns++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(turns).toBeGreaterThan(5);
  const { user, system } = process.cpuUsage(begin);
  expect((user + system) / 1000).toBeLessThan(1000);
});
