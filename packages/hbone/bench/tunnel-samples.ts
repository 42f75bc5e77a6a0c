/**
 * Answers samples of tunnels beside `node:http2` as JSON, for `npm run bench -- --libraries`. Argument: number of samples.
 * Ours and theirs take turns, so that other load meets both.
 */
import { argv, stdout } from 'node:process';
import {
  type Kind,
  Load,
  MANY_STREAMS,
  measureRoundTrips,
  startBoth,
  startPair,
  stopPair,
  type TunnelPair,
} from './measure-tunnel.ts';
import type { RoleProcess } from './role-process.ts';

const KINDS: readonly Kind[] = ['ours', 'http2'];
/** Before the first: neither is fast until it is compiled. */
const WARM_UP = 2;

const keys = ['one', 'oneCpu', 'many', 'manyCpu', 'roundTrips'] as const;
const samples = Object.fromEntries(keys.map((key) => [key, { value: [] as number[], baseline: [] as number[] }]));
const add = (key: (typeof keys)[number], kind: Kind, number: number): void => {
  samples[key]?.[kind === 'ours' ? 'value' : 'baseline'].push(number);
};
const count = Number(argv[2] ?? 1);

const load = await Load.start();
const pairs = new Map<Kind, TunnelPair>();
for (const kind of KINDS) pairs.set(kind, await startPair(kind, load.sink));
for (let sample = -WARM_UP; sample < count; sample++) {
  for (const [kind, pair] of pairs) {
    if (sample < 0) {
      await load.warmUp(pair);
      continue;
    }
    const one = await load.measure(pair, 1);
    add('one', kind, one.gigabits);
    add('oneCpu', kind, one.cpu);
    const many = await load.measure(pair, MANY_STREAMS);
    add('many', kind, many.gigabits);
    add('manyCpu', kind, many.cpu);
  }
}
for (const pair of pairs.values()) stopPair(pair);
load.stop();
const processes = new Map<Kind, RoleProcess>();
for (const kind of KINDS) processes.set(kind, await startBoth(kind));
for (let sample = -WARM_UP; sample < count; sample++) {
  for (const [kind, both] of processes) {
    const rate = await measureRoundTrips(both);
    if (sample >= 0) add('roundTrips', kind, rate);
  }
}
for (const both of processes.values()) both.stop();
stdout.write(JSON.stringify(samples));
