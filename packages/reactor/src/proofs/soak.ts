/** The long forms of the proofs: `npm run soak` (optionally a part of their names, and a factor of their sizes). */
import { cpuUsage, memoryUsage } from 'node:process';
import { allocatedBytes } from '../testing/allocated-bytes.ts';
import { openDescriptors } from '../testing/engine-rig.ts';
import { Crowd } from './crowd.ts';
import { HostileScene } from './hostile-bytes.ts';
import { freshSeed, Random } from './random.ts';
import { NodeSide, ReactorSide, type Side } from './side.ts';
import { runTraffic } from './traffic.ts';

const CONNECTIONS = 100_000;
const AT_ONCE = 200;
const ATTACKS = 10_000;
const TRAFFIC_BYTES = 10_000_000_000;
/** A tenth of it between the two engines, each way round. */
const MIXED_PART = 0.1;
const MEBIBYTE = 1_048_576;
const GIGABYTE = 1e9;
const MICROSECONDS = 1e6;
/** Of the process, more than what tests and the garbage of V8 make it move by. */
const MOST_GROWTH_BYTES = 64 * MEBIBYTE;
/** Allocated by connections that are gone; 100 bytes of each would be more. */
const MOST_LOST_BYTES = 8 * MEBIBYTE;

const [, , part = '', factorText = '1', seedText = String(freshSeed())] = process.argv;
const factor = Number(factorText);
const seed = Number(seedText);
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const mebibytes = (bytes: number): string => `${(bytes / MEBIBYTE).toFixed(1)} MiB`;

async function soakConnections(): Promise<readonly string[]> {
  const crowd = new Crowd(new Random(seed));
  await crowd.run(Math.ceil((CONNECTIONS * factor) / 10), AT_ONCE);
  const before = { descriptors: openDescriptors(), bytes: allocatedBytes(), resident: memoryUsage.rss() };
  const { connections, accepted, ms } = await crowd.run(CONNECTIONS * factor, AT_ONCE);
  const lost = allocatedBytes() - before.bytes;
  const grown = memoryUsage.rss() - before.resident;
  const descriptors = openDescriptors() - before.descriptors;
  say(`  ${connections} connections (${accepted} accepted) in ${(ms / 1000).toFixed(1)} s`);
  say(`  descriptors ${descriptors}, allocated ${mebibytes(lost)}, resident ${mebibytes(grown)} more than before`);
  crowd.close();
  return [
    ...(descriptors === 0 ? [] : [`${descriptors} descriptors are left`]),
    ...(lost < MOST_LOST_BYTES ? [] : [`${lost} bytes are left`]),
    ...(grown < MOST_GROWTH_BYTES ? [] : [`${grown} bytes more are resident`]),
  ];
}

async function soakTraffic(makeClient: () => Side, makeServer: () => Side, bytes: number): Promise<readonly string[]> {
  const [client, server] = [makeClient(), makeServer()];
  const options = { random: new Random(seed), client, server, atOnce: 40, bytesEach: 20_000_000 };
  const before = cpuUsage();
  const traffic = await runTraffic({ ...options, bytes: bytes * factor });
  const { user, system } = cpuUsage(before);
  const { conversations, rude, ms } = traffic;
  const [gigabytes, seconds] = [traffic.bytes / GIGABYTE, ms / 1000];
  say(`  ${conversations} conversations (${rude} of them cut), ${gigabytes.toFixed(2)} GB in ${seconds.toFixed(1)} s`);
  const cpuSeconds = (user + system) / MICROSECONDS / gigabytes;
  say(`  ${(gigabytes / seconds).toFixed(2)} GB/s, ${cpuSeconds.toFixed(2)} CPU seconds a GB, on one thread:`);
  say('  both applications, both ends of the tunnel, and SHA-256 at each end');
  client.close();
  server.close();
  return traffic.problems;
}

async function soakHostile(kind: 'rawBytes' | 'changedRecords' | 'changedFrames'): Promise<readonly string[]> {
  const start = performance.now();
  const scene = new HostileScene(new Random(seed));
  await scene.open();
  await scene[kind](ATTACKS * factor);
  const { attacks, echoed, problems } = await scene.close();
  say(
    `  ${attacks} in ${((performance.now() - start) / 1000).toFixed(1)} s; the neighbour had ${echoed} octets meanwhile`,
  );
  return problems;
}

const makeReactor = (): Side => new ReactorSide();
const makeNode = (): Side => new NodeSide();
const PROOFS: Readonly<Record<string, () => Promise<readonly string[]>>> = {
  connections: soakConnections,
  'hostile bytes': () => soakHostile('rawBytes'),
  'hostile records': () => soakHostile('changedRecords'),
  'hostile frames': () => soakHostile('changedFrames'),
  'traffic, reactor to reactor': () => soakTraffic(makeReactor, makeReactor, TRAFFIC_BYTES),
  'traffic, reactor to node': () => soakTraffic(makeReactor, makeNode, TRAFFIC_BYTES * MIXED_PART),
  'traffic, node to reactor': () => soakTraffic(makeNode, makeReactor, TRAFFIC_BYTES * MIXED_PART),
};

say(`seed ${seed}`);
for (const [name, prove] of Object.entries(PROOFS)) {
  if (!name.includes(part)) continue;
  say(`${name}:`);
  const problems = await prove();
  for (const problem of problems) say(`  FAILED: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
}
