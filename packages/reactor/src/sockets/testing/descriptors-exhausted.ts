/**
 * A process of its own, for all of its descriptors get used: `node --conditions=@ambientmesh/source descriptors-exhausted.ts`
 * under a small `ulimit -n`. Prints what happened as JSON.
 */
import { closeSync, openSync } from 'node:fs';
import type { Plain } from '@ambientmesh/hbone';
import { dial } from '../dialer.ts';
import { SocketRig } from './socket-rig.ts';

const CLIENTS = 5;
const EPISODES = 2;
/** Long enough that accepting was tried again some times. */
const RETRIES_MS = 350;

const rig = new SocketRig();
const accepted: Plain[] = [];
let echoed = 0;
const listened = rig.listen((plain) => {
  accepted.push(plain);
  const sink = { bytes: (memory: Uint8Array, start: number, end: number) => plain.write(memory, start, end) };
  const pump = (): void => {
    while (plain.read(1000, sink) > 0);
  };
  plain.handler = { readable: pump, written: () => {}, failed: () => {} };
  pump();
});
const first = await rig.dial(listened.port);
first.handler = {
  readable: () => {
    while (first.read(1000, { bytes: (_memory, start, end) => (echoed += end - start) }) > 0);
  },
  written: () => {},
  failed: () => {},
};
first.read(1, { bytes: () => {} });
const episodes: unknown[] = [];
for (let episode = 0; episode < EPISODES; episode++) {
  const [already, failuresBefore, echoedBefore] = [accepted.length, listened.failures.length, echoed];
  const sockets = Array.from({ length: CLIENTS }, () => rig.loopback.socket());
  const fillers = fill();
  for (const descriptor of sockets)
    dial(
      rig.reactor,
      { descriptor, to: { ip: '127.0.0.1', port: listened.port }, timeoutMs: 5000 },
      { connected: (plain) => rig.later(() => plain.reset()), failed: () => {} },
    );
  let waited = false;
  rig.reactor.after(RETRIES_MS, () => (waited = true));
  await rig.until(() => waited, 'retries');
  first.write(Buffer.from('still here'), 0, 10);
  await rig.until(() => echoed === echoedBefore + 10, 'the one that runs');
  const during = { accepted: accepted.length - already, failures: listened.failures.slice(failuresBefore) };
  for (const filler of fillers) closeSync(filler);
  await rig.until(() => accepted.length === already + CLIENTS, 'accepted after all');
  await rig.settle();
  episodes.push({ ...during, told: listened.failures.length - failuresBefore });
}
for (const plain of accepted) plain.reset();
await rig[Symbol.asyncDispose]();
process.stdout.write(JSON.stringify(episodes));

/** Uses all descriptors there are. */
function fill(): readonly number[] {
  const descriptors: number[] = [];
  try {
    for (;;) descriptors.push(openSync('/dev/null', 'r'));
  } catch {
    return descriptors;
  }
}
