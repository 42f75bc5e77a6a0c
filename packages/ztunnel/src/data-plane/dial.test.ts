import type { ConnectHandler, Engine } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { dial } from './dial.ts';
import type { Pod, WantedSocket } from './pod.ts';
import { createTestPod } from './testing/test-pod.ts';

const TO = { ip: '10.0.0.2', port: 80 };
const SOURCE = { ip: '10.0.0.1', port: 40_000 };

/** A pod whose connects are answered by the test; `wanted`: the sockets that were asked for. */
function createDialler() {
  const { pod } = createTestPod();
  const wanted: WantedSocket[] = [];
  const connects: { readonly handler: ConnectHandler; cancelled: boolean }[] = [];
  const engine: Pick<Engine, 'connect'> = {
    connect: (_options, handler) => {
      const connect = { handler, cancelled: false };
      connects.push(connect);
      return { cancel: () => (connect.cancelled = true) };
    },
  };
  const fake: Pod = {
    ...pod,
    context: { ...pod.context, engine: Object.assign(Object.create(pod.context.engine), engine) },
    openSocket: (socket) => wanted.push(socket),
  };
  const failures: string[] = [];
  const handler: ConnectHandler = { connected: () => undefined, failed: ({ code }) => failures.push(code) };
  return { pod: fake, wanted, connects, failures, handler };
}

const TAKEN = { code: 'EADDRNOTAVAIL', message: 'Cannot assign requested address (os error 99)' };

test('from the own address: a socket of the family, and its failure', () => {
  const { pod, wanted, connects, failures, handler } = createDialler();
  dial(pod, { to: TO }, handler);
  connects[0]?.handler.failed(TAKEN);
  expect([wanted, failures]).toEqual([[{ family: 4 }], ['EADDRNOTAVAIL']]);
});

test('a port that is taken towards there: once more, with one that the kernel chooses', () => {
  const { pod, wanted, connects, failures, handler } = createDialler();
  const dialling = dial(pod, { to: TO, source: SOURCE }, handler);
  connects[0]?.handler.failed(TAKEN);
  expect(wanted).toEqual([
    { family: 4, source: SOURCE.ip, to: TO },
    { family: 4, source: SOURCE.ip },
  ]);
  connects[1]?.handler.failed(TAKEN);
  expect([wanted.length, failures]).toEqual([2, ['EADDRNOTAVAIL']]);
  dialling.cancel();
  expect(connects.map(({ cancelled }) => cancelled)).toEqual([false, true]);
});

test('other failures are final', () => {
  const { pod, wanted, connects, failures, handler } = createDialler();
  dial(pod, { to: TO, source: SOURCE }, handler);
  connects[0]?.handler.failed({ code: 'ECONNREFUSED', message: 'Connection refused (os error 111)' });
  expect([wanted.length, failures]).toEqual([1, ['ECONNREFUSED']]);
});
