import { expect, test } from 'vitest';
import { Codec } from './codec.ts';
import { EventRecorder } from './event-recorder.ts';
import type { CodecOptions } from './limits.ts';

const WINDOW = 0x7fff_ffff;
const SETTING = 0xffff_ffff;
const NONE = Number.POSITIVE_INFINITY;
const build = (options: Partial<CodecOptions>) => new Codec('server', new EventRecorder(), options);

/** The least and the largest value of each. */
const RANGES: readonly (readonly [keyof CodecOptions, least: number, most: number])[] = [
  ['streamWindowBytes', 1, WINDOW],
  ['connectionWindowBytes', 65_535, WINDOW],
  ['maxLentBytes', 0, WINDOW],
  ['maxFrameBytes', 16_384, 16_777_215],
  ['maxHeaderListBytes', 1, SETTING],
  ['maxHeaderBlockBytes', 1, NONE],
  ['maxContinuations', 0, NONE],
  ['maxConcurrentStreams', 0, SETTING],
  ['maxSettingsEntries', 1, NONE],
  ['maxControlBytes', 100, NONE],
  ['maxRecentResets', 0, SETTING],
];

test.each(RANGES)('%s: from %d to %d', (name, least, most) => {
  for (const value of [least, most]) expect(() => build({ [name]: value })).not.toThrow();
  const beyond = most === NONE ? [] : [most + 1, NONE];
  for (const value of [least - 1, ...beyond, Number.NaN, -1, least + 0.5]) {
    expect(() => build({ [name]: value })).toThrow(RangeError);
    expect(() => build({ [name]: value })).toThrow(`${name}: ${value} is not`);
  }
});

test.each(['resets', 'denials', 'answers', 'uselessFrames', 'windowUpdates'] as const)('%s: a rate', (name) => {
  for (const rate of [
    { burst: 0, perSecond: 0 },
    { burst: Number.POSITIVE_INFINITY, perSecond: 0.5 },
  ])
    expect(() => build({ [name]: rate })).not.toThrow();
  for (const rate of [
    { burst: -1, perSecond: 0 },
    { burst: Number.NaN, perSecond: 1 },
    { burst: 1, perSecond: -0.1 },
    { burst: 1, perSecond: Number.NaN },
    { burst: 1 },
    undefined,
  ])
    expect(() => build({ [name]: rate })).toThrow(RangeError);
  expect(() => build({ [name]: undefined })).toThrow(`${name}: burst undefined`);
});

test('now: a function', () => {
  const options: object = { now: 0 };
  expect(() => build(options)).toThrow(RangeError);
});
