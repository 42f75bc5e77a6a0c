/**
 * Answers samples of tunnels beside `node:http2` as JSON, for `npm run bench -- --libraries`. Argument: number of samples.
 * Ours and theirs take turns, so that other load meets both.
 */
import { argv, stdout } from 'node:process';
import { type Kind, Load, measureRoundTrips, startPair, stopPair, type TunnelPair } from './measure-tunnel.ts';

const KINDS: readonly Kind[] = ['ours', 'http2'];
const MANY_STREAMS = 16;
/** Before the first: neither is fast until it is compiled. */
const WARM_UP = 2;

const keys = ['one', 'oneCpu', 'many', 'manyCpu', 'roundTrips'] as const;
const samples = Object.fromEntries(keys.map((key) => [key, { value: [] as number[], baseline: [] as number[] }]));
const add = (key: (typeof keys)[number], kind: Kind, number: number): void => {
  samples[key]?.[kind === 'ours' ? 'value' : 'baseline'].push(number);
};
const count = Number(argv[2] ?? 1);

async function eachKind(work: (kind: Kind, pair: TunnelPair) => Promise<void>, sink: number): Promise<void> {
  const pairs = new Map<Kind, TunnelPair>();
  for (const kind of KINDS) pairs.set(kind, await startPair(kind, sink));
  for (let sample = -WARM_UP; sample < count; sample++) {
    for (const [kind, pair] of pairs) {
      if (sample >= 0) await work(kind, pair);
      else if (sink === 0) await measureRoundTrips(pair);
      else await load.warmUp(pair);
    }
  }
  for (const pair of pairs.values()) stopPair(pair);
}

const load = await Load.start();
await eachKind(async (kind, pair) => {
  const one = await load.measure(pair, 1);
  add('one', kind, one.gigabits);
  add('oneCpu', kind, one.cpu);
  const many = await load.measure(pair, MANY_STREAMS);
  add('many', kind, many.gigabits);
  add('manyCpu', kind, many.cpu);
}, load.sink);
load.stop();
await eachKind(async (kind, pair) => add('roundTrips', kind, await measureRoundTrips(pair)), 0);
stdout.write(JSON.stringify(samples));
