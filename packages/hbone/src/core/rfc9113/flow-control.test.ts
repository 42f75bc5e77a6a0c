import { describe, expect, test } from 'vitest';
import { Codec } from '../codec.ts';
import { ErrorCode } from '../error-code.ts';
import { EventRecorder } from '../event-recorder.ts';
import { CLIENT_PREFACE, Flag, FrameType } from '../frame.ts';
import type { Role } from '../limits.ts';
import { CONNECT, data, headers, OK, octets, reset, settings, settingsAck, windowUpdate } from '../testing/frames.ts';
import { Subject, serverWithStream, update, withStream } from '../testing/subject.ts';

const { CANCEL, FLOW_CONTROL_ERROR, PROTOCOL_ERROR } = ErrorCode;
const ROLES: readonly Role[] = ['client', 'server'];
const MAX_WINDOW_BYTES = 0x7fff_ffff;

describe.each(ROLES)('errors at a %s', (role) => {
  test.each([
    { rule: '6.9: WINDOW_UPDATE of 0 on stream 0', frames: [windowUpdate(0, 0)], code: PROTOCOL_ERROR },
    { rule: '6.9.1: window over 2^31-1', frames: [windowUpdate(0, MAX_WINDOW_BYTES)], code: FLOW_CONTROL_ERROR },
    {
      rule: '6.9.1: window over 2^31-1 in small steps',
      frames: [windowUpdate(0, MAX_WINDOW_BYTES - 65_535), windowUpdate(0, 1)],
      code: FLOW_CONTROL_ERROR,
    },
    { rule: '6.9.1: a window of 2^31-1', frames: [windowUpdate(0, MAX_WINDOW_BYTES - 65_535)], code: undefined },
    { rule: '6.9.1: DATA beyond the window', frames: [data(1, octets(70_001))], code: FLOW_CONTROL_ERROR },
    {
      rule: '6.9.1: DATA beyond the window, on a stream that is gone',
      frames: [reset(1, CANCEL), data(1, octets(70_001))],
      code: FLOW_CONTROL_ERROR,
    },
    {
      rule: '6.9.1: padding beyond the window',
      frames: [data(1, octets(69_901)), data(1, Buffer.concat([Buffer.from([99]), octets(99)]), Flag.PADDED)],
      code: FLOW_CONTROL_ERROR,
    },
  ])('of the connection: $rule', ({ frames, code }) => {
    const subject = withStream(role, { connectionWindowBytes: 70_000, maxLentBytes: 0 });
    expect(subject.errorOf(...frames)).toBe(code);
  });

  test.each([
    { rule: '6.9.1: window over 2^31-1', frames: [windowUpdate(1, MAX_WINDOW_BYTES)], code: FLOW_CONTROL_ERROR },
    { rule: '6.9.1: DATA beyond the window', frames: [data(1, octets(65_537))], code: FLOW_CONTROL_ERROR },
    {
      rule: '6.9.1: DATA beyond the window, later',
      frames: [data(1, octets(65_535)), data(1, '0000')],
      code: FLOW_CONTROL_ERROR,
    },
  ])('of a stream: $rule', ({ frames, code }) => {
    const subject = withStream(role, { streamWindowBytes: 65_536 });
    expect(subject.push(...frames).at(-1)).toEqual({ type: 'reset', id: 1, code, local: true });
    expect(subject.codec.failed).toBe(false);
  });
});

describe('what we may send', () => {
  test('budget is the lesser window, and writable comes when it opens', () => {
    const subject = new Subject('client');
    const [a, b] = [subject.open(), subject.open()];
    expect(subject.codec.budget(a)).toBe(65_535);
    subject.sendData(a, 16_384);
    subject.push(windowUpdate(a, 100_000));
    expect(subject.codec.budget(a)).toBe(65_535 - 16_384);
    expect(subject.codec.budget(b)).toBe(65_535 - 16_384);
    for (const bytes of [16_384, 16_384, 16_383]) subject.sendData(b, bytes);
    expect(subject.codec.budget(a)).toBe(0);
    expect(() => subject.sendData(a, 1)).toThrow(RangeError);
    // The stream's window alone does not help.
    expect(subject.push(windowUpdate(a, 1))).toEqual([]);
    expect(subject.push(windowUpdate(0, 10))).toEqual([
      { type: 'writable', id: b },
      { type: 'writable', id: a },
    ]);
    expect(subject.push(windowUpdate(0, 10))).toEqual([]);
  });

  test('who waits longest is told first, and the next gets what is left', () => {
    const subject = new Subject('client');
    const ids = [subject.open(), subject.open(), subject.open()];
    const order: number[] = [];
    subject.recorder.writable = (id) => {
      order.push(id);
      subject.sendData(id, subject.codec.budget(id));
    };
    for (const bytes of [16_384, 16_384, 16_384, 16_383]) subject.sendData(ids[0]!, bytes);
    for (const id of ids) subject.codec.budget(id);
    for (let round = 0; round < 6; round++) subject.push(windowUpdate(ids[round % 3]!, 10), windowUpdate(0, 10));
    // The first had used up its own window as well, and began to wait for the connection's when that opened.
    expect(order).toEqual([3, 5, 1, 3, 5, 1]);
  });

  test('who asks after an update comes behind those that wait for it', () => {
    const subject = new Subject('client');
    const [first, sibling] = [subject.open(), subject.open()];
    const told: number[] = [];
    subject.recorder.writable = (id) => {
      told.push(id);
      subject.sendData(id, subject.codec.budget(id));
    };
    for (const bytes of [16_384, 16_384, 16_384, 16_383]) subject.sendData(first, bytes);
    const { codec } = subject;
    const opened = Buffer.concat([windowUpdate(first, 10), windowUpdate(0, 10)]);
    codec.push(opened, 0, opened.length);
    expect(codec.budget(sibling)).toBe(0);
    // The one that waits longest may ask before it is told; it loses its place when it has sent.
    expect(codec.budget(first)).toBe(10);
    expect(codec.budget(first)).toBe(10);
    expect(codec.budget(sibling)).toBe(0);
    subject.sendData(first, 4);
    expect(codec.budget(first)).toBe(0);
    expect(codec.budget(sibling)).toBe(6);
    codec.wake();
    expect(told).toEqual([sibling]);
  });

  test('a window that opens and shuts again before anyone is told is shut', () => {
    const subject = new Subject('client');
    const id = subject.open();
    subject.push(settings('000400000000'));
    expect(subject.codec.budget(id)).toBe(0);
    const opened = subject.push(windowUpdate(id, 5), settings('000400000001'), settings('000400000000'));
    expect(opened.at(-1)).toEqual({ type: 'writable', id });
    expect(subject.codec.budget(id)).toBe(5);
    subject.sendData(id, 5);
    const shut = subject.push(settings('000400000001'), settings('000400000000'));
    expect(shut).toEqual([{ type: 'settings' }, { type: 'settings' }]);
    expect(subject.codec.wakeWaiting).toBe(false);
    expect(subject.push(windowUpdate(id, 1))).toEqual([{ type: 'writable', id }]);
  });

  test('a request has no budget before it is answered', () => {
    const subject = new Subject('server');
    subject.push(headers(1, CONNECT));
    expect(subject.codec.budget(1)).toBe(0);
    subject.codec.respond(1, OK, false);
    expect(subject.codec.budget(1)).toBe(65_535);
    subject.push(headers(3, CONNECT));
    subject.codec.respond(3, OK, true);
    expect(subject.codec.budget(3)).toBe(0);
  });

  test('6.9.2: INITIAL_WINDOW_SIZE changes all streams, below 0 too', () => {
    const subject = new Subject('client');
    const id = subject.open();
    subject.sendData(id, 1000);
    subject.push(settings('000400000064'));
    expect(subject.codec.budget(id)).toBe(0);
    subject.push(windowUpdate(id, 900));
    expect(subject.codec.budget(id)).toBe(0);
    expect(subject.push(settings('000400000065'))).toEqual([{ type: 'settings' }, { type: 'writable', id }]);
    expect(subject.codec.budget(id)).toBe(1);
  });

  test('6.9.1: an empty frame may end a stream without any window', () => {
    const subject = new Subject('client');
    const id = subject.open();
    subject.push(settings('000400000000'));
    subject.sendData(id, 0, true);
    expect(() => subject.sendData(id, 0, true)).toThrow(RangeError);
  });

  test('4.2: MAX_FRAME_SIZE of the peer', () => {
    const subject = new Subject('client');
    const id = subject.open();
    expect(() => subject.sendData(id, 16_385)).toThrow(RangeError);
    subject.push(settings('000500008000'));
    subject.sendData(id, 16_385);
  });
});

describe('what the peer may send again', () => {
  test('is told at a quarter of each window', () => {
    const subject = serverWithStream({ streamWindowBytes: 40_000, connectionWindowBytes: 65_536 });
    subject.push(data(1, octets(20_000)));
    expect(subject.sent()).toEqual([]);
    subject.codec.credit(1, 9999);
    expect(subject.sent()).toEqual([]);
    subject.codec.credit(1, 1);
    expect(subject.sent()).toEqual([update(1, 10_000)]);
    subject.codec.credit(1, 6384);
    expect(subject.sent()).toEqual([update(0, 16_384)]);
    // More than was received is not credited.
    subject.codec.credit(1, 1_000_000);
    expect(subject.sent()).toEqual([update(1, 10_000)]);
  });

  test('padding counts and is credited at once', () => {
    const subject = serverWithStream({ streamWindowBytes: 65_536, connectionWindowBytes: 65_536 });
    const padded = Buffer.concat([Buffer.from([255]), Buffer.from('x'), octets(255)]);
    const frames = Array.from({ length: 64 }, () => data(1, padded, Flag.PADDED));
    expect(subject.push(...frames)).toEqual([{ type: 'data', id: 1, text: 'x'.repeat(64), last: false }]);
    expect(subject.sent()).toEqual([update(1, 16_384), update(0, 16_384)]);
  });

  test.each([
    { how: 'our reset', end: (subject: Subject) => subject.codec.resetStream(1, CANCEL) },
    { how: "the peer's reset", end: (subject: Subject) => void subject.push(reset(1, CANCEL)) },
    { how: 'a stream error', end: (subject: Subject) => void subject.push(windowUpdate(1, 0)) },
  ])('bytes never credited go back to the connection after $how', ({ end }) => {
    const subject = serverWithStream({ streamWindowBytes: 65_536, connectionWindowBytes: 65_536 });
    subject.push(data(1, octets(20_000)));
    end(subject);
    expect(subject.sent()).toContainEqual(update(0, 20_000));
  });

  test('bytes that cross with our reset go back to the connection, also within a frame', () => {
    const subject = serverWithStream({ connectionWindowBytes: 65_536 });
    const bytes = data(1, octets(30_000));
    expect(subject.push(bytes.subarray(0, 5009))).toHaveLength(1);
    subject.codec.resetStream(1, CANCEL);
    subject.sent();
    expect(subject.push(bytes.subarray(5009), data(1, octets(10_000)))).toEqual([]);
    const updates = subject.sent();
    expect(updates.every(({ type, id }) => type === FrameType.WINDOW_UPDATE && id === 0)).toBe(true);
    const granted = updates.reduce((sum, { payload }) => sum + Number.parseInt(payload, 16), 0);
    expect(granted).toBeGreaterThan(40_000 - 16_384);
  });

  test('a stream that ended both ways holds the window until its bytes are credited or given up', () => {
    for (const finish of ['credit', 'resetStream'] as const) {
      const subject = serverWithStream({ connectionWindowBytes: 65_536 });
      subject.push(data(1, octets(20_000), Flag.END_STREAM));
      subject.sendData(1, 0, true);
      expect(subject.codec.openStreams).toBe(0);
      expect(subject.sent()).toEqual([]);
      subject.codec[finish](1, 20_000);
      expect(subject.sent()).toEqual([update(0, 20_000)]);
    }
  });

  test('6.9.2: the default window holds until our smaller one is acknowledged', () => {
    const recorder = new EventRecorder();
    const codec = new Codec('server', recorder, { streamWindowBytes: 100 });
    const push = (bytes: Buffer) => codec.push(bytes, 0, bytes.length);
    push(Buffer.concat([CLIENT_PREFACE, settings(), headers(1, CONNECT), data(1, octets(1000))]));
    expect(recorder.take().map(({ type }) => type)).toEqual(['settings', 'headers', 'data']);
    push(Buffer.concat([settingsAck(), data(1, '00')]));
    expect(recorder.take()).toEqual([{ type: 'reset', id: 1, code: FLOW_CONTROL_ERROR, local: true }]);
  });
});

/** A sender that keeps to the windows of `subject`, a server, and streams whose readers do nothing. */
class Flood {
  readonly subject: Subject;
  readonly windows = new Map<number, number>();
  window: number;
  sentBytes = 0;

  constructor(subject: Subject, windowBytes: number) {
    this.subject = subject;
    this.window = windowBytes;
  }

  /** Sends on a stream until a window is used up; answers the octets. */
  fill(id: number, streamWindowBytes: number, most = Number.POSITIVE_INFINITY): number {
    if (!this.windows.has(id)) {
      this.windows.set(id, streamWindowBytes);
      this.subject.push(headers(id, CONNECT));
      this.subject.codec.respond(id, [[':status', '200']], false);
    }
    let filled = 0;
    for (;;) {
      const bytes = Math.min(16_384, this.window, this.windows.get(id)!, most - filled);
      if (bytes <= 0) return filled;
      this.window -= bytes;
      this.windows.set(id, this.windows.get(id)! - bytes);
      this.subject.push(data(id, octets(bytes)));
      filled += bytes;
      this.sentBytes += bytes;
      this.readWindows();
    }
  }

  readWindows(): void {
    for (const { type, id, payload } of this.subject.sent()) {
      if (type !== FrameType.WINDOW_UPDATE) continue;
      const bytes = Number.parseInt(payload, 16);
      if (id === 0) this.window += bytes;
      else this.windows.set(id, (this.windows.get(id) ?? 0) + bytes);
    }
  }
}

describe('5.2.1: streams whose readers stall do not stop the others', () => {
  const MIB = 1_048_576;

  test('the windows of hbone.md §2: seven full streams, and an eighth still flows', () => {
    const flood = new Flood(new Subject('server'), 16 * MIB);
    for (const id of [1, 3, 5, 7, 9, 11, 13]) expect(flood.fill(id, 4 * MIB)).toBe(4 * MIB);
    for (let round = 0; round < 20; round++) {
      expect(flood.fill(15, 4 * MIB, MIB)).toBe(MIB);
      flood.subject.codec.credit(15, MIB);
      flood.readWindows();
    }
  });

  test.each([
    { maxLentBytes: 0, bytes: 100_000 },
    { maxLentBytes: 50_000, bytes: 150_000 },
    { maxLentBytes: undefined, bytes: 200_000 },
  ])('no more is held than the window and what may be lent ($maxLentBytes)', ({ maxLentBytes, bytes }) => {
    const lending = maxLentBytes === undefined ? {} : { maxLentBytes };
    const options = { streamWindowBytes: 70_000, connectionWindowBytes: 100_000, ...lending };
    const flood = new Flood(new Subject('server', options), 100_000);
    for (let id = 1; id < 20; id += 2) flood.fill(id, 70_000);
    expect(flood.sentBytes).toBeGreaterThan(bytes - 25_000);
    expect(flood.sentBytes + flood.window).toBeLessThanOrEqual(bytes);
    expect(flood.subject.codec.failed).toBe(false);
  });

  test('what was lent is paid back: the window is what it was, not more', () => {
    const options = { streamWindowBytes: 70_000, connectionWindowBytes: 100_000 };
    const flood = new Flood(new Subject('server', options), 100_000);
    const held = [1, 3, 5].map((id) => ({ id, bytes: flood.fill(id, 70_000) }));
    for (const { id, bytes } of held) flood.subject.codec.credit(id, bytes);
    flood.readWindows();
    expect(flood.window).toBeLessThanOrEqual(100_000);
    expect(flood.window).toBeGreaterThan(75_000);
  });

  test('a frame that came only in part is not lent against', () => {
    const options = { streamWindowBytes: 200_000, connectionWindowBytes: 100_000, maxLentBytes: 0 };
    const subject = serverWithStream(options);
    const bytes = data(1, octets(99_000));
    subject.push(bytes.subarray(0, 1000));
    expect(subject.sent()).toEqual([]);
    subject.push(bytes.subarray(1000));
    expect(subject.sent()).toEqual([]);
  });
});
