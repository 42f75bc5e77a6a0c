import { expect, test } from 'vitest';
import type { Events } from './contract.ts';
import { Flag } from './frame.ts';
import { CONNECT, data, goaway, headers, OK, octets, reset, settings, windowUpdate } from './testing/frames.ts';
import { type Subject, withStream } from './testing/subject.ts';

const STARVE = settings('000400000000');
const FEED = settings('000400010000');
const PONG = Buffer.from('0000080601000000000000000000000001', 'hex');

/** Makes three streams of a client wait for their windows. */
function starve(subject: Subject): void {
  subject.open();
  subject.open();
  subject.push(STARVE);
  for (const id of [1, 3, 5]) subject.codec.budget(id);
}

test.each([
  { event: 'data', frames: [data(1, octets(5)), data(1, octets(5))] },
  { event: 'data', frames: [data(1, octets(5), Flag.END_STREAM), data(3, octets(5))] },
  { event: 'headers', frames: [headers(7, OK), headers(9, OK)] },
  { event: 'headers', frames: [headers(7, OK, Flag.END_STREAM), headers(9, OK)] },
  { event: 'reset', frames: [reset(1, 8), reset(3, 8)] },
  { event: 'reset', frames: [windowUpdate(1, 0), windowUpdate(3, 0)] },
  { event: 'reset', frames: [goaway(0, 0)], before: 1 },
  { event: 'goaway', frames: [goaway(0, 0)] },
  { event: 'writable', frames: [FEED], before: 1 },
  { event: 'settings', frames: [FEED] },
  { event: 'pong', frames: [PONG, data(1, octets(5))] },
] satisfies { event: keyof Events; frames: Buffer[]; before?: number }[])(
  'stopped in $event, a codec has no further event ($frames.length frames)',
  ({ event, frames, before = 0 }) => {
    const subject = withStream('client');
    starve(subject);
    for (const id of [7, 9]) expect(subject.codec.request(CONNECT)).toBe(id);
    expect(subject.codec.ping()).toBe(1);
    let calls = 0;
    const record: (...rest: never[]) => void = subject.recorder[event];
    subject.recorder[event] = (...rest: never[]): void => {
      calls += 1;
      record.apply(subject.recorder, rest);
      subject.codec.stop();
    };
    expect(subject.push(...frames)).toHaveLength(before + 1);
    expect(calls).toBe(1);
    const waiting = subject.sent();
    expect(waiting.length).toBeGreaterThan(2);
    expect(subject.push(data(1, octets(5)), Buffer.from('no frame at all'))).toEqual([]);
    expect(subject.codec).toMatchObject({ failed: true, openStreams: 0, controlWaiting: false });
    expect([subject.codec.request(CONNECT), subject.codec.ping(), subject.codec.budget(3)]).toEqual([0, 0, 0]);
    subject.codec.goaway(0, false);
    subject.codec.resetStream(3, 8);
    subject.codec.credit(3, 5);
    expect(subject.codec.controlWaiting).toBe(false);
  },
);
