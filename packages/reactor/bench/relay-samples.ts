/**
 * Answers samples of a relay on the reactor beside one on `node:net` and none as JSON, for `npm run bench -- --libraries`.
 * Argument: number of samples. All three take turns, so that other load meets each.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { argv, execArgv, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';

const HOST = '127.0.0.1';
const CHUNK = Buffer.alloc(262_144, 'b');
const REQUEST = Buffer.alloc(200, 'e');
const BYTES = 250_000_000;
const STREAMS = 8;
const ROUND_TRIPS = 6000;
const CONNECTIONS = 300;
const BITS = 8;
const GIGA = 1e9;
const MS_A_S = 1000;
const KINDS = ['direct', 'node', 'reactor'] as const;

type Kind = (typeof KINDS)[number];
type Measured = Readonly<Record<string, number>>;

/** A process of `relay-role.ts`. */
interface Role {
  readonly child: ChildProcess;
  readonly port: number;
}

async function start(...args: readonly (string | number)[]): Promise<Role> {
  const child = fork(fileURLToPath(new URL('relay-role.ts', import.meta.url)), args.map(String), { execArgv });
  return { child, port: await answerOf(child) };
}

async function answerOf(child: ChildProcess): Promise<number> {
  const [answer]: unknown[] = await once(child, 'message');
  return Number(answer);
}

async function cpuOf({ child }: Role): Promise<number> {
  child.send('cpu');
  return answerOf(child);
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: HOST, noDelay: true, allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

async function pour(port: number, bytes: number): Promise<void> {
  const socket = await open(port);
  for (let left = bytes; left > 0; left -= CHUNK.length) if (!socket.write(CHUNK)) await once(socket, 'drain');
  socket.end();
  socket.resume();
  await once(socket, 'end');
}

/** Answers come whole: they are small, and one is on the way at a time. */
async function askOften(port: number, times: number): Promise<void> {
  const socket = await open(port);
  await new Promise<void>((done) => {
    let left = times;
    socket.on('data', () => {
      if (left === 0) return done();
      left--;
      socket.write(REQUEST);
    });
    socket.write(REQUEST);
  });
  socket.destroy();
}

async function connectOften(port: number): Promise<void> {
  for (let count = 0; count < CONNECTIONS; count++) {
    const socket = await open(port);
    socket.write(REQUEST);
    await once(socket, 'data');
    socket.end();
    socket.resume();
    await once(socket, 'close');
  }
}

async function rateOf(amount: number, work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (amount * MS_A_S) / (performance.now() - started);
}

function parallel(work: () => Promise<void>): () => Promise<unknown> {
  return async () => Promise.all(Array.from({ length: STREAMS }, work));
}

async function measure(role: Role): Promise<Measured> {
  const { port } = role;
  const before = await cpuOf(role);
  const one = await rateOf((BYTES * BITS) / GIGA, () => pour(port, BYTES));
  const after = await cpuOf(role);
  return {
    one,
    cpu: ((after - before) * GIGA) / BYTES,
    many: await rateOf(
      (BYTES * BITS) / GIGA,
      parallel(() => pour(port, BYTES / STREAMS)),
    ),
    roundTrips: await rateOf(
      ROUND_TRIPS,
      parallel(() => askOften(port, ROUND_TRIPS / STREAMS)),
    ),
    connections: await rateOf(CONNECTIONS, () => connectOften(port)),
  };
}

const sink = await start('sink');
const roles: Readonly<Record<Kind, Role>> = {
  direct: sink,
  node: await start('node', sink.port),
  reactor: await start('reactor', sink.port),
};
const samples: Record<string, { value: number[]; baseline: number[] }> = {};
function add(key: string, value = Number.NaN, baseline = Number.NaN): void {
  const figure = (samples[key] ??= { value: [], baseline: [] });
  figure.value.push(value);
  figure.baseline.push(baseline);
}
// The first is not counted: nothing is fast until it is compiled.
for (let sample = 0; sample <= Number(argv[2] ?? 1); sample++) {
  const measured = { direct: {}, node: {}, reactor: {} } as Record<Kind, Measured>;
  for (const kind of KINDS) measured[kind] = await measure(roles[kind]);
  if (sample === 0) continue;
  for (const [key, value] of Object.entries(measured.reactor)) {
    add(key, value, measured.node[key]);
    add(`${key}Direct`, value, measured.direct[key]);
  }
}
stdout.write(`${JSON.stringify(samples)}\n`);
for (const { child } of Object.values(roles)) child.disconnect();
