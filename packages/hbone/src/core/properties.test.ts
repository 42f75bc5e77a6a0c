import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ErrorCode } from './error-code.ts';
import type { RecordedEvent } from './event-recorder.ts';
import { Flag, FrameType } from './frame.ts';
import type { Role } from './limits.ts';
import { CONNECT, data, frame, goaway, headers, OK, octets, reset, settings, windowUpdate } from './testing/frames.ts';
import { type Sent, Subject } from './testing/subject.ts';

function run(role: Role, chunks: readonly Uint8Array[]): { events: RecordedEvent[]; sent: Sent[] } {
  const subject = new Subject(role);
  // The client has streams to speak of.
  if (role === 'client') for (let count = 0; count < 3; count++) subject.codec.request(CONNECT);
  for (const chunk of chunks) subject.codec.push(chunk, 0, chunk.length);
  return { events: subject.recorder.take(), sent: subject.sent() };
}

describe('properties', () => {
  const anyId = fc.constantFrom(0, 1, 2, 3, 5, 7);
  const anyFrame = fc.oneof(
    { weight: 4, arbitrary: anyId.map((stream) => headers(stream | 1, CONNECT)) },
    {
      weight: 4,
      arbitrary: fc
        .tuple(anyId, fc.uint8Array({ maxLength: 40 }), fc.constantFrom(0, 1, 8, 9))
        .map((parts) => data(...parts)),
    },
    { weight: 1, arbitrary: anyId.map((stream) => reset(stream, ErrorCode.CANCEL)) },
    { weight: 1, arbitrary: fc.tuple(anyId, fc.nat({ max: 10 })).map((parts) => windowUpdate(...parts)) },
    { weight: 1, arbitrary: fc.constantFrom(settings(), frame(6, 0, 0, octets(8)), goaway(3, 0)) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.nat({ max: 11 }), fc.constantFrom(0, 1, 4, 5, 8, 0x20, 255), anyId, fc.uint8Array({ maxLength: 20 }))
        .map((parts) => frame(...parts)),
    },
  );
  const roles = fc.constantFrom<Role>('client', 'server');

  test('any split of the same bytes gives the same events and answers', () => {
    fc.assert(
      fc.property(
        roles,
        fc.array(anyFrame, { maxLength: 12 }),
        fc.array(fc.nat({ max: 30 }), { minLength: 1 }),
        (...args) => {
          const [role, frames, sizes] = args;
          const bytes = Buffer.concat(frames);
          const whole = run(role, [bytes]);
          const single = run(
            role,
            Array.from(bytes, (_octet, at) => bytes.subarray(at, at + 1)),
          );
          const chunks: Buffer[] = [];
          let at = 0;
          for (const size of sizes) {
            chunks.push(bytes.subarray(at, at + size));
            at = Math.min(bytes.length, at + size);
          }
          chunks.push(bytes.subarray(at));
          expect(single).toEqual(whole);
          expect(run(role, chunks)).toEqual(whole);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('random bytes never throw, whatever the user does meanwhile', () => {
    fc.assert(
      fc.property(
        roles,
        fc.array(fc.oneof(anyFrame, fc.uint8Array({ maxLength: 60 })), { maxLength: 12 }),
        (...args) => {
          const [role, chunks] = args;
          const subject = new Subject(role);
          if (role === 'client') subject.codec.request(CONNECT);
          for (const chunk of chunks) {
            expect(() => subject.codec.push(chunk, 0, chunk.length)).not.toThrow();
            for (const event of subject.recorder.take()) {
              if (event.type === 'headers' && role === 'server') subject.codec.respond(event.id, OK, event.last);
              if (event.type === 'data') subject.codec.credit(event.id, event.text.length);
              if (event.type === 'data' && subject.codec.budget(event.id) > 0)
                subject.sendData(event.id, 1, event.last);
            }
            expect(subject.codec.openStreams).toBeGreaterThanOrEqual(0);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  const traffic = fc.record({
    id: fc.constantFrom(1, 3, 5, 7, 9, 11),
    length: fc.nat({ max: 9000 }),
    padding: fc.constantFrom(undefined, 0, 200),
    what: fc.constantFrom('data', 'data', 'data', 'end', 'reset', 'open'),
    // What the user does from inside of the event, and later.
    inside: fc.constantFrom('credit', 'half', 'nothing', 'resetStream', 'end'),
  });

  test('the window of the connection never leaks, whatever becomes of the streams', () => {
    fc.assert(
      fc.property(fc.array(traffic, { minLength: 20, maxLength: 120 }), fc.nat(), (steps, cut) => {
        const subject = new Subject('server', { connectionWindowBytes: 65_535, streamWindowBytes: 30_000 });
        const { codec, recorder } = subject;
        const windows = new Map<number, number>();
        let window = 65_535;
        let inside = '';
        recorder.headers = (id) => codec.respond(id, OK, false);
        recorder.data = (id, _memory, start, end) => {
          if (inside === 'credit') codec.credit(id, end - start);
          if (inside === 'half') codec.credit(id, Math.floor((end - start) / 2));
          if (inside === 'resetStream') codec.resetStream(id, ErrorCode.CANCEL);
          if (inside === 'end' && codec.budget(id) > 0) subject.sendData(id, 0, true);
        };
        const readWindows = () => {
          for (const { type, id, payload } of subject.sent()) {
            if (type !== FrameType.WINDOW_UPDATE) continue;
            if (id === 0) window += Number.parseInt(payload, 16);
            else windows.set(id, (windows.get(id) ?? 0) + Number.parseInt(payload, 16));
          }
        };
        let opened = -1;
        for (const step of steps) {
          inside = step.inside;
          if (step.what === 'open' && step.id > opened) {
            opened = step.id;
            windows.set(opened, 30_000);
            subject.push(headers(opened, CONNECT));
          }
          if (step.id > opened) continue;
          if (step.what === 'reset') subject.push(reset(step.id, ErrorCode.CANCEL));
          const padding = step.padding === undefined ? [] : [Buffer.from([step.padding])];
          const payload = Buffer.concat([...padding, octets(step.length), octets(step.padding ?? 0)]);
          if (payload.length > window || payload.length > (windows.get(step.id) ?? 0)) continue;
          const flags = (step.padding === undefined ? 0 : Flag.PADDED) | (step.what === 'end' ? Flag.END_STREAM : 0);
          const bytes = data(step.id, payload, flags);
          window -= payload.length;
          windows.set(step.id, (windows.get(step.id) ?? 0) - payload.length);
          const at = cut % bytes.length;
          subject.push(bytes.subarray(0, at));
          subject.push(bytes.subarray(at));
          readWindows();
        }
        expect(codec.failed).toBe(false);
        for (const id of [1, 3, 5, 7, 9, 11]) codec.resetStream(id, ErrorCode.CANCEL);
        readWindows();
        expect(window).toBeLessThanOrEqual(65_535);
        expect(window).toBeGreaterThan(65_535 * 0.75);
        expect(codec.openStreams).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
