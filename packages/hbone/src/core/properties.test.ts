import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildGreeting, buildSettings } from '../fuzz/frames.ts';
import { fuzzSession } from '../fuzz/session-target.ts';
import { TARGETS } from '../fuzz/targets.ts';
import { Codec } from './codec.ts';
import type { Fields } from './contract.ts';
import { ErrorCode } from './error-code.ts';
import { EventRecorder, type RecordedEvent } from './event-recorder.ts';
import { Flag, FrameType } from './frame.ts';
import { MIN_CONTROL_ROOM_BYTES, type Role } from './limits.ts';
import {
  block,
  CONNECT,
  data,
  frame,
  GET,
  goaway,
  headers,
  OK,
  octets,
  reset,
  settings,
  windowUpdate,
} from './testing/frames.ts';
import { type Sent, Subject } from './testing/subject.ts';

function run(role: Role, chunks: readonly Uint8Array[]): { events: RecordedEvent[]; sent: Sent[] } {
  const subject = new Subject(role);
  // The client has streams to speak of.
  if (role === 'client') for (let count = 0; count < 3; count++) subject.codec.request(CONNECT);
  for (const chunk of chunks) subject.codec.push(chunk, 0, chunk.length);
  return { events: subject.recorder.take(), sent: subject.sent() };
}

/** A header block in pieces: HEADERS with padding and priority, and CONTINUATION, the last one empty. */
function inPieces(id: number, fields: Fields, flags = 0): Buffer[] {
  const bytes = block(fields);
  const third = Math.ceil(bytes.length / 3);
  const first = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 16]), bytes.subarray(0, third), octets(2)]);
  return [
    frame(FrameType.HEADERS, Flag.PADDED | Flag.PRIORITY | flags, id, first),
    frame(FrameType.CONTINUATION, 0, id, bytes.subarray(third, 2 * third)),
    frame(FrameType.CONTINUATION, 0, id, bytes.subarray(2 * third)),
    frame(FrameType.CONTINUATION, Flag.END_HEADERS, id),
  ];
}

const POST: Fields = [[':method', 'POST'], ...GET.slice(1)];
const TRAILERS: Fields = [['x-checksum', '1']];
const PING = frame(FrameType.PING, 0, 0, '0102030405060708');

/** Every frame type and everything that may be in it; `begin` makes streams 1, 3 and 5 ready for DATA. */
function everyFrame(begin: readonly Buffer[]): Buffer[] {
  return [
    settings(
      buildSettings([
        [1, 0],
        [4, 10],
        [5, 20_000],
        [99, 1],
      ]),
    ),
    ...begin,
    data(1, '616263'),
    data(1, '0264650000', Flag.PADDED),
    data(1, '00', Flag.PADDED),
    data(3, ''),
    PING,
    frame(FrameType.PRIORITY, 0, 3, '0000000010'),
    frame(0x77, 0xff, 3, '01020304'),
    windowUpdate(0, 5),
    windowUpdate(1, 70_000),
    reset(3, ErrorCode.CANCEL),
    data(1, '66', Flag.END_STREAM),
    settings(buildSettings([[4, 65_535]])),
    goaway(5, ErrorCode.NO_ERROR),
    data(5, '67'),
  ];
}

const SESSIONS: readonly { readonly name: string; readonly role: Role; readonly frames: readonly Uint8Array[] }[] = [
  {
    name: 'a client to a server',
    role: 'server',
    frames: [
      ...everyFrame([headers(1, CONNECT), ...inPieces(3, CONNECT), headers(5, POST)]),
      ...inPieces(5, TRAILERS, Flag.END_STREAM),
      headers(7, [...CONNECT, ['connection', 'close']]),
      windowUpdate(1, 0),
    ],
  },
  {
    name: 'a server to a client',
    role: 'client',
    frames: [
      ...everyFrame([...inPieces(1, [[':status', '103']]), headers(1, OK), ...inPieces(3, OK), headers(5, OK)]),
      windowUpdate(5, 0x7fff_ffff),
    ],
  },
  ...(['client', 'server'] as const).flatMap((role) => [
    { name: 'an interrupted header block', role, frames: [...inPieces(1, OK).slice(0, 2), PING] },
    {
      name: 'DATA with too much padding',
      role,
      frames: [headers(1, role === 'server' ? CONNECT : OK), data(1, '0900', 8)],
    },
    { name: 'a block that cannot be decoded', role, frames: [frame(FrameType.HEADERS, Flag.END_HEADERS, 1, '80')] },
    { name: 'PUSH_PROMISE', role, frames: [frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, 1, '0000000282'), PING] },
    { name: 'a frame that is too large', role, frames: [PING, Buffer.from('ffffff000000000001', 'hex')] },
  ]),
];

/** What a codec that hears its first bytes says and what it sends, octet for octet. */
function converse(role: Role, chunks: readonly Uint8Array[]): { events: RecordedEvent[]; sent: string } {
  const recorder = new EventRecorder();
  const codec = new Codec(role, recorder, { now: () => 0 });
  if (role === 'client') for (let count = 0; count < 3; count++) codec.request(CONNECT);
  recorder.headers = (id, fields, last) => {
    recorder.events.push({ type: 'headers', id, fields, last });
    if (role === 'server') codec.respond(id, OK, false);
  };
  for (const chunk of chunks) codec.push(chunk, 0, chunk.length);
  const memory = Buffer.alloc(4 * MIN_CONTROL_ROOM_BYTES);
  return { events: recorder.take(), sent: memory.toString('hex', 0, codec.control(memory, 0, memory.length)) };
}

test.each(SESSIONS)('$name ($role): cut at every octet, the same events and answers', ({ role, frames }) => {
  const bytes = Buffer.concat([buildGreeting(role), ...frames]);
  const whole = converse(role, [bytes]);
  expect(whole.events.length).toBeGreaterThan(1);
  for (let at = 0; at <= bytes.length; at++)
    expect(converse(role, [bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
  const single = Array.from(bytes, (_octet, at) => bytes.subarray(at, at + 1));
  expect(converse(role, single)).toEqual(whole);
});

test('sessions with every frame end as they should', () => {
  const ends = SESSIONS.map(({ role, frames }) => converse(role, [Buffer.concat([buildGreeting(role), ...frames])]));
  expect(ends.map(({ events }) => events.filter(({ type }) => type === 'fatal').length)).toEqual([
    0,
    0,
    ...SESSIONS.slice(2).map(() => 1),
  ]);
  const types = ends.slice(0, 2).map(({ events }) => new Set(events.map(({ type }) => type)));
  for (const seen of types) expect([...seen].toSorted()).toEqual(['data', 'goaway', 'headers', 'reset', 'settings']);
});

describe('two codecs joined by pipes', () => {
  const action = fc.tuple(fc.nat({ max: 255 }), fc.nat({ max: 255 }), fc.nat({ max: 255 }));
  const shapes = fc.nat({ max: 15 });

  test('whatever their users do: octets arrive, the ends agree, nobody waits for ever, all is released', () => {
    fc.assert(
      fc.property(shapes, fc.array(action, { maxLength: 120, size: 'max' }), (shape, actions) => {
        expect(() => fuzzSession(Uint8Array.from([shape, ...actions.flat()]))).not.toThrow();
      }),
      { numRuns: 120 },
    );
  });

  test('a user who asks, answers, sends and reads, in any order and any pieces', () => {
    // Requests, answers, DATA of both sides with and without its end, credit, delivery both ways
    const lively = fc.tuple(
      fc.constantFrom(0x00, 0x02, 0x04, 0x14, 0x84, 0x94, 0x09, 0x89, 0x0d, 0x8d, 0x0d, 0x8d),
      fc.nat({ max: 8 }),
      fc.nat({ max: 255 }),
    );
    fc.assert(
      fc.property(shapes, fc.array(lively, { minLength: 30, maxLength: 150, size: 'max' }), (shape, actions) => {
        expect(() => fuzzSession(Uint8Array.from([shape, ...actions.flat()]))).not.toThrow();
      }),
      { numRuns: 80 },
    );
  });
});

test.each(Object.keys(TARGETS))('any bytes at all into %s', (name) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (input) => {
      expect(() => TARGETS[name]?.(input)).not.toThrow();
    }),
    { numRuns: 100 },
  );
});

describe('a hostile peer', () => {
  const anyId = fc.constantFrom(0, 1, 2, 3, 5, 7);
  const anyFrame = fc.oneof(
    { weight: 4, arbitrary: anyId.map((stream) => headers(stream | 1, CONNECT)) },
    {
      weight: 4,
      arbitrary: fc
        .tuple(anyId, fc.uint8Array({ maxLength: 40 }), fc.constantFrom(0, 1, 8, 9))
        .map((parts) => data(...parts)),
    },
    { weight: 2, arbitrary: anyId.map((stream) => Buffer.concat(inPieces(stream | 1, stream === 3 ? OK : CONNECT))) },
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
      { numRuns: 120 },
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
      { numRuns: 100 },
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
      { numRuns: 100 },
    );
  });
});
