/** Answers samples of the codec's and HPACK's costs as JSON, for `npm run bench -- --libraries`. Argument: number of samples. */
import { argv, stdout } from 'node:process';
import { measureFrames } from './measure-codec.ts';
import { measureHpack } from './measure-hpack.ts';

const LARGE_BYTES = 16_384;
const SMALL_BYTES = 1024;
const COPIES = 20_000;
const NS_A_US = 1000;
const US_A_MS = 1000;
const NS_A_MS = 1e6;
/** HPACK is slow until it is compiled. */
const WARM_UP = 5;

/** Bytes a nanosecond, which is GB/s, of copying a frame's payload. */
function copyGigabytes(): number {
  const from = Buffer.alloc(LARGE_BYTES, 1);
  const to = Buffer.alloc(LARGE_BYTES);
  const start = performance.now();
  for (let copy = 0; copy < COPIES; copy++) to.set(from);
  return (COPIES * LARGE_BYTES) / ((performance.now() - start) * NS_A_MS);
}

/** Microseconds to read and join as much text as a CONNECT has, field by field. */
function textUs(): number {
  const octets = Buffer.from(`:method CONNECT :authority 10.244.1.17:8080 ${'k8s.cluster.name=Kubernetes,'.repeat(8)}`);
  let characters = 0;
  const start = performance.now();
  for (let copy = 0; copy < COPIES; copy++) characters += octets.toString('latin1').length;
  if (characters === 0) throw new Error('nothing was read');
  return ((performance.now() - start) * US_A_MS) / COPIES;
}

const keys = ['largeIn', 'largeOut', 'smallIn', 'smallOut', 'decode', 'decodeLikeH2'] as const;
const samples = Object.fromEntries(keys.map((key) => [key, { value: [] as number[], baseline: [] as number[] }]));
const add = (key: (typeof keys)[number], value: number, baseline: number): void => {
  samples[key]?.value.push(value);
  samples[key]?.baseline.push(baseline);
};

measureFrames(LARGE_BYTES);
measureFrames(SMALL_BYTES);
for (let run = 0; run < WARM_UP; run++) measureHpack();
for (let count = Number(argv[2] ?? 1); count > 0; count--) {
  const copy = copyGigabytes();
  const large = measureFrames(LARGE_BYTES);
  add('largeIn', LARGE_BYTES / large.inNs, copy);
  add('largeOut', LARGE_BYTES / large.outNs, copy);
  const small = measureFrames(SMALL_BYTES);
  const copied = (copy * NS_A_US) / SMALL_BYTES;
  add('smallIn', NS_A_US / small.inNs, copied);
  add('smallOut', NS_A_US / small.outNs, copied);
  const { decodeNs, decodeLikeH2Ns } = measureHpack();
  const text = textUs();
  add('decode', decodeNs / NS_A_US, text);
  add('decodeLikeH2', decodeLikeH2Ns / NS_A_US, text);
}
stdout.write(JSON.stringify(samples));
