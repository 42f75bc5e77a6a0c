import { connect } from 'node:net';
import type { ConnectHandler, Engine, Plain } from '@ambientmesh/hbone';
import type { Match, Policy } from '@ambientmesh/policy';
import { expect, onTestFinished, test } from 'vitest';
import type { Pod } from '../data-plane/pod.ts';
import { StateChanges } from '../data-plane/state-changes.ts';
import { SilentPlain } from '../data-plane/testing/silent-plain.ts';
import { createTestPod, listen } from '../data-plane/testing/test-pod.ts';
import { workload } from '../state/fixtures.ts';
import { PlaintextConnection } from './plaintext-connection.ts';

const COUNT = 10_000;
const [DENIED, ALLOWED] = ['10.0.0.1', '10.0.0.2'];

function deny(name: string, match: Match): Policy {
  return { name, namespace: 'default', scope: 'Namespace', action: 'Deny', dryRun: false, rules: [[[match]]] };
}

/** Of an accepted connection: the kernel is asked where it went. */
async function openDescriptor(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<Plain>();
  const port = await listen(resolve, onTestFinished);
  const client = connect({ port, host: '127.0.0.1' });
  onTestFinished(() => {
    client.destroy();
  });
  return (await promise).descriptor;
}

/** Running connections to one pod, every second one from `DENIED`; each with both of its sockets. */
async function establish() {
  const made = createTestPod();
  made.state.putWorkload(workload({ name: 'server', ips: ['127.0.0.1'] }), []);
  for (let i = 0; i < 20; i++)
    made.context.policies.put(deny(`p${i}`, { namespaces: [{ kind: 'exact', value: `x${i}` }] }));
  const { engine } = made.context;
  const dials: ConnectHandler[] = [];
  const dialling: Engine = {
    ...engine,
    now: () => engine.now(),
    after: (ms, callback) => engine.after(ms, callback),
    connect: (_, handler) => {
      dials.push(handler);
      return { cancel: () => undefined };
    },
  };
  const pod: Pod = { ...made.pod, context: { ...made.context, engine: dialling } };
  const descriptor = await openDescriptor();
  const pairs = Array.from({ length: COUNT }, (_, index) => {
    const [client, application] = [new SilentPlain(index % 2 === 0 ? DENIED : ALLOWED, descriptor), new SilentPlain()];
    made.serve(new PlaintextConnection(pod, client));
    dials.pop()?.connected(application);
    return { client, application };
  });
  return { made, pairs };
}

/** Of the processor. */
function microsSince(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return user + system;
}

test('of 10,000 running connections those that are denied now are cut, and neighbours have their turns meanwhile', async () => {
  const establishing = process.cpuUsage();
  const { made, pairs } = await establish();
  const establishedMicros = microsSince(establishing);
  expect(made.connections.size).toBe(COUNT);
  new StateChanges(made.context, () => [made.pod]).apply([
    { type: 'policy', policy: deny('deny', { sourceIps: [{ address: DENIED, length: 32 }] }) },
  ]);
  expect(made.connections.size).toBe(COUNT);
  let [left, mostInTurn] = [COUNT, 0];
  const begun = process.cpuUsage();
  while (left > COUNT / 2) {
    await new Promise((resolve) => setImmediate(resolve));
    mostInTurn = Math.max(mostInTurn, left - made.connections.size);
    left = made.connections.size;
  }
  // About what establishing them took, whatever the machine is.
  expect(microsSince(begun)).toBeLessThan(4 * establishedMicros);
  // A turn is 2 ms of work, whatever the machine is.
  expect(mostInTurn).toBeLessThan(COUNT / 10);
  const ends = pairs.map(({ client, application }) => [client.remote.ip, client.ended, application.ended]);
  expect(new Set(ends.map(String))).toEqual(new Set([`${DENIED},reset,reset`, `${ALLOWED},,`]));
  expect(made.context.denials.list()).toMatchObject([{ kind: 'cut', count: COUNT / 2 }]);
  expect(made.context.sockets.destination).toBe(COUNT / 2);
});
