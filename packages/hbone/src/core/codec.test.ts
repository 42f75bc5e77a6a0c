import { describe, expect, test } from 'vitest';
import { Codec } from './codec.ts';
import type { Fields } from './contract.ts';
import { ErrorCode } from './error-code.ts';
import { EventRecorder } from './event-recorder.ts';
import { CLIENT_PREFACE, Flag, FrameType } from './frame.ts';
import { HpackEncoder } from './hpack/encoder.ts';
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
  settingsAck,
  windowUpdate,
} from './testing/frames.ts';
import { gone, rst, Subject, serverWithStream, update } from './testing/subject.ts';

interface Malformed {
  readonly rule: string;
  readonly fields: Fields;
}

describe('greeting', () => {
  test.each([
    { role: 'client', settings: '000200000000 000400400000 000500100000 000600004000' },
    { role: 'server', settings: '0003000000c8 000400400000 000500100000 000600010000' },
  ] as const)('hbone.md §2: $role', ({ role, settings: payload }) => {
    const codec = new Codec(role, new EventRecorder());
    const memory = Buffer.alloc(1000);
    expect(codec.controlWaiting).toBe(true);
    const bytes = memory.subarray(0, codec.control(memory, 0, memory.length));
    const preface = role === 'client' ? [CLIENT_PREFACE] : [];
    expect(bytes).toEqual(
      Buffer.concat([...preface, settings(payload.replaceAll(' ', '')), windowUpdate(0, 16_777_216 - 65_535)]),
    );
    expect(codec.controlWaiting).toBe(false);
  });

  test('3.4: a server wants the preface', () => {
    const recorder = new EventRecorder();
    const codec = new Codec('server', recorder);
    codec.push(Buffer.from('GET / HTTP/1.1\r\n\r\n'), 0, 18);
    expect(recorder.take()).toEqual([{ type: 'fatal', code: ErrorCode.PROTOCOL_ERROR }]);
  });

  test.each(['client', 'server'] as const)('3.4: a %s wants SETTINGS first', (role) => {
    for (const first of [data(1, ''), settingsAck(), frame(FrameType.PING, 0, 0, octets(8))]) {
      const recorder = new EventRecorder();
      const codec = new Codec(role, recorder);
      const bytes = Buffer.concat([...(role === 'server' ? [CLIENT_PREFACE] : []), first]);
      codec.push(bytes, 0, bytes.length);
      expect(recorder.take()).toEqual([{ type: 'fatal', code: ErrorCode.PROTOCOL_ERROR }]);
    }
  });

  test('control moves whole frames and nothing before the greeting', () => {
    const codec = new Codec('client', new EventRecorder());
    const ping = Buffer.concat([settings(), frame(FrameType.PING, 0, 0, octets(8))]);
    codec.push(ping, 0, ping.length);
    const memory = Buffer.alloc(100);
    expect(codec.control(memory, 0, 20)).toBe(0);
    expect(codec.control(memory, 0, 24 + 5)).toBe(24);
    expect(codec.control(memory, 0, 40)).toBe(9 + 4 * 6);
    expect(memory[3]).toBe(FrameType.SETTINGS);
    expect(codec.controlWaiting).toBe(true);
  });
});

describe('connection errors', () => {
  const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, FLOW_CONTROL_ERROR, COMPRESSION_ERROR, ENHANCE_YOUR_CALM } = ErrorCode;

  test.each([
    { rule: '4.2: larger than MAX_FRAME_SIZE', bytes: frame(0x77, 0, 0, octets(1_048_577)), code: FRAME_SIZE_ERROR },
    { rule: '4.3: undecodable block', bytes: frame(1, 4, 3, '80'), code: COMPRESSION_ERROR },
    { rule: '5.1: DATA on an idle stream', bytes: data(3, '00'), code: PROTOCOL_ERROR },
    { rule: '5.1: RST_STREAM on an idle stream', bytes: reset(3, 8), code: PROTOCOL_ERROR },
    { rule: '5.1: WINDOW_UPDATE on an idle stream', bytes: windowUpdate(3, 1), code: PROTOCOL_ERROR },
    { rule: '5.1.1: a request with an even id', bytes: headers(2, CONNECT), code: PROTOCOL_ERROR },
    { rule: '6.1: DATA on stream 0', bytes: data(0, ''), code: PROTOCOL_ERROR },
    { rule: '6.1: pad length missing', bytes: data(1, '', Flag.PADDED), code: FRAME_SIZE_ERROR },
    { rule: '6.1: padding as long as the payload', bytes: data(1, '0200', Flag.PADDED), code: PROTOCOL_ERROR },
    { rule: '6.2: HEADERS on stream 0', bytes: headers(0, CONNECT), code: PROTOCOL_ERROR },
    { rule: '6.2: padding longer than payload', bytes: frame(1, 4 | Flag.PADDED, 3, '0282'), code: PROTOCOL_ERROR },
    { rule: '6.2: no room for priority', bytes: frame(1, 4 | Flag.PRIORITY, 3, '82'), code: FRAME_SIZE_ERROR },
    { rule: '6.2: other frame in a block', bytes: Buffer.concat([frame(1, 0, 3), settings()]), code: PROTOCOL_ERROR },
    {
      rule: '6.2: CONTINUATION of another stream',
      bytes: Buffer.concat([frame(1, 0, 3), frame(9, 4, 5)]),
      code: PROTOCOL_ERROR,
    },
    { rule: '6.3: PRIORITY on stream 0', bytes: frame(2, 0, 0, octets(5)), code: PROTOCOL_ERROR },
    { rule: '6.4: RST_STREAM on stream 0', bytes: reset(0, 8), code: PROTOCOL_ERROR },
    { rule: '6.4: RST_STREAM of 5 octets', bytes: frame(3, 0, 1, octets(5)), code: FRAME_SIZE_ERROR },
    { rule: '6.5: SETTINGS on a stream', bytes: frame(4, 0, 1), code: PROTOCOL_ERROR },
    { rule: '6.5: SETTINGS of 5 octets', bytes: frame(4, 0, 0, octets(5)), code: FRAME_SIZE_ERROR },
    { rule: '6.5: SETTINGS ACK with payload', bytes: frame(4, 1, 0, octets(6)), code: FRAME_SIZE_ERROR },
    { rule: '6.5: unasked ACK', bytes: settingsAck(), code: PROTOCOL_ERROR },
    { rule: '6.5.2: ENABLE_PUSH 2', bytes: settings('000200000002'), code: PROTOCOL_ERROR },
    { rule: '6.5.2: INITIAL_WINDOW_SIZE 2^31', bytes: settings('000480000000'), code: FLOW_CONTROL_ERROR },
    { rule: '6.5.2: MAX_FRAME_SIZE 16383', bytes: settings('000500003fff'), code: PROTOCOL_ERROR },
    { rule: '6.5.2: MAX_FRAME_SIZE 2^24', bytes: settings('000501000000'), code: PROTOCOL_ERROR },
    { rule: 'limit: settings in a frame', bytes: settings('000900000000'.repeat(65)), code: ENHANCE_YOUR_CALM },
    { rule: '6.6: PUSH_PROMISE', bytes: frame(5, 4, 1, '00000002'), code: PROTOCOL_ERROR },
    { rule: '6.7: PING on a stream', bytes: frame(6, 0, 1, octets(8)), code: PROTOCOL_ERROR },
    { rule: '6.7: PING of 7 octets', bytes: frame(6, 0, 0, octets(7)), code: FRAME_SIZE_ERROR },
    { rule: '6.8: GOAWAY on a stream', bytes: frame(7, 0, 1, octets(8)), code: PROTOCOL_ERROR },
    { rule: '6.8: GOAWAY of 7 octets', bytes: frame(7, 0, 0, octets(7)), code: FRAME_SIZE_ERROR },
    { rule: '6.9: WINDOW_UPDATE of 3 octets', bytes: frame(8, 0, 1, octets(3)), code: FRAME_SIZE_ERROR },
    { rule: '6.9: WINDOW_UPDATE of 0', bytes: windowUpdate(0, 0), code: PROTOCOL_ERROR },
    { rule: '6.9.1: window beyond 2^31-1', bytes: windowUpdate(0, 0x7fff_ffff), code: FLOW_CONTROL_ERROR },
    { rule: '6.10: CONTINUATION without HEADERS', bytes: frame(9, 4, 1), code: PROTOCOL_ERROR },
    {
      rule: 'limit: CONTINUATIONs, empty ones too',
      bytes: Buffer.concat([frame(1, 0, 3), ...Array.from({ length: 9 }, () => frame(9, 0, 3))]),
      code: ENHANCE_YOUR_CALM,
    },
    { rule: 'limit: header block, announced', bytes: frame(1, 0, 3, octets(131_500)), code: ENHANCE_YOUR_CALM },
    {
      rule: 'limit: header block, in pieces',
      bytes: Buffer.concat([frame(1, 0, 3, octets(131_000)), frame(9, 4, 3, octets(1000))]),
      code: ENHANCE_YOUR_CALM,
    },
    {
      rule: 'limit: empty DATA',
      bytes: Buffer.concat(Array.from({ length: 1001 }, () => data(1, ''))),
      code: ENHANCE_YOUR_CALM,
    },
    {
      rule: 'limit: DATA of padding only',
      bytes: Buffer.concat(Array.from({ length: 1001 }, () => data(1, '0100', Flag.PADDED))),
      code: ENHANCE_YOUR_CALM,
    },
    {
      rule: 'limit: unread answers to PING',
      bytes: Buffer.concat(Array.from({ length: 20_000 }, () => frame(6, 0, 0, octets(8)))),
      code: ENHANCE_YOUR_CALM,
    },
  ])('$rule', ({ bytes, code }) => {
    const subject = serverWithStream();
    expect(subject.push(bytes).at(-1)).toEqual({ type: 'fatal', code });
    expect(subject.codec.failed).toBe(true);
    expect(subject.codec.budget(1)).toBe(0);
    expect(subject.push(headers(5, CONNECT))).toEqual([]);
    const memory = Buffer.alloc(1_000_000);
    const sent = memory.subarray(0, subject.codec.control(memory, 0, memory.length));
    expect(sent.subarray(-17, -8).toString('hex')).toBe('000008070000000000');
    expect(sent.readUInt32BE(sent.length - 4)).toBe(code);
  });

  test('6.9.1: DATA beyond the window of the connection', () => {
    const subject = serverWithStream({ connectionWindowBytes: 65_535, streamWindowBytes: 1_000_000 });
    expect(subject.push(data(1, octets(65_536)))).toEqual([{ type: 'fatal', code: FLOW_CONTROL_ERROR }]);
  });

  test('6.9.2: SETTINGS makes a window too large', () => {
    const subject = serverWithStream();
    expect(subject.push(windowUpdate(1, 0x7fff_ffff - 65_535), settings('000400010000'))).toEqual([
      { type: 'fatal', code: FLOW_CONTROL_ERROR },
    ]);
  });

  test('6.5.2: a server must not enable push; 5.1.1: nor open a stream', () => {
    expect(new Subject('client').push(settings('000200000001'))).toEqual([{ type: 'fatal', code: PROTOCOL_ERROR }]);
    expect(new Subject('client').push(headers(1, OK))).toEqual([{ type: 'fatal', code: PROTOCOL_ERROR }]);
    expect(new Subject('client').push(headers(2, OK))).toEqual([{ type: 'fatal', code: PROTOCOL_ERROR }]);
  });
});

describe('stream errors', () => {
  test.each([
    { rule: '5.1: DATA after END_STREAM', frames: [data(1, '', 1), data(1, '00')], code: ErrorCode.STREAM_CLOSED },
    {
      rule: '5.1: HEADERS after END_STREAM',
      frames: [data(1, '', 1), headers(1, [], 1)],
      code: ErrorCode.STREAM_CLOSED,
    },
    { rule: '6.9: WINDOW_UPDATE of 0', frames: [windowUpdate(1, 0)], code: ErrorCode.PROTOCOL_ERROR },
    { rule: '6.9.1: window', frames: [windowUpdate(1, 0x7fff_ffff)], code: ErrorCode.FLOW_CONTROL_ERROR },
    { rule: '6.9.1: DATA beyond it', frames: [data(1, octets(65_537))], code: ErrorCode.FLOW_CONTROL_ERROR },
    { rule: '8.5: trailers on a tunnel', frames: [headers(1, [['a', 'b']], 1)], code: ErrorCode.PROTOCOL_ERROR },
    { rule: '6.3: PRIORITY of 4 octets', frames: [frame(2, 0, 1, octets(4))], code: ErrorCode.FRAME_SIZE_ERROR },
  ])('$rule', ({ frames, code }) => {
    const subject = serverWithStream({ streamWindowBytes: 65_536 });
    expect(subject.push(...frames).at(-1)).toEqual({ type: 'reset', id: 1, code, local: true });
    expect(subject.sent()).toEqual([rst(1, code)]);
    expect(subject.codec.openStreams).toBe(0);
    // What crosses with our reset is dropped in silence; the connection goes on.
    expect(subject.push(data(1, '00'), windowUpdate(1, 0), reset(1, 8), headers(1, [], 1))).toEqual([]);
    expect(subject.sent()).toEqual([]);
    expect(subject.push(headers(3, CONNECT))).toHaveLength(1);
  });

  test.each([
    { rule: '8.5: :path', fields: [...CONNECT, [':path', '/']] },
    { rule: '8.5: :scheme', fields: [...CONNECT, [':scheme', 'http']] },
    { rule: 'RFC 8441: :protocol', fields: [...CONNECT, [':protocol', 'websocket']] },
    { rule: '8.5: no authority', fields: [[':method', 'CONNECT']] },
    ...['', 'a b:80', 'a/b:80', '::1:80', '[::1:80', 'u@h:80', 'h:80:90', 'h:8x', 'ä:80'].map((authority) => ({
      rule: `authority '${authority}'`,
      fields: [
        [':method', 'CONNECT'],
        [':authority', authority],
      ] as const,
    })),
    { rule: '8.3.1: no method', fields: [[':authority', 'a:80']] },
    { rule: '8.3.1: GET without path', fields: [GET[0]!, GET[1]!] },
    { rule: '8.3.1: empty path', fields: [GET[0]!, GET[1]!, [':path', '']] },
    {
      rule: '8.3: pseudo after regular',
      fields: [
        [':method', 'CONNECT'],
        ['a', 'b'],
        [':authority', 'a:80'],
      ],
    },
    { rule: '8.3: twice', fields: [...CONNECT, [':authority', 'a:80']] },
    { rule: '8.3: unknown', fields: [...CONNECT, [':x', 'y']] },
    { rule: '8.3: of a response', fields: [...CONNECT, [':status', '200']] },
    { rule: '8.2.1: capitals', fields: [...CONNECT, ['Baggage', 'x']] },
    { rule: '8.2.1: no name', fields: [...CONNECT, ['', 'x']] },
    { rule: '8.2.1: line break', fields: [...CONNECT, ['a', 'x\ny']] },
    { rule: '8.2.1: leading space', fields: [...CONNECT, ['a', ' x']] },
    { rule: '8.2.2: connection', fields: [...CONNECT, ['connection', 'close']] },
    { rule: '8.2.2: te', fields: [...CONNECT, ['te', 'gzip']] },
  ] as const satisfies readonly Malformed[])('malformed request: $rule', ({ fields }) => {
    const subject = new Subject('server');
    expect(subject.push(headers(1, fields))).toEqual([]);
    expect(subject.sent()).toEqual([rst(1, ErrorCode.PROTOCOL_ERROR)]);
    expect(subject.codec.failed).toBe(false);
  });

  test.each(['10.0.0.1:80', '[::1]:80', 'svc.ns.svc.cluster.local:80', 'a', 'h:'])(
    'authority %s is delivered',
    (to) => {
      const fields: Fields = [
        [':method', 'CONNECT'],
        [':authority', to],
      ];
      expect(new Subject('server').push(headers(1, fields))).toEqual([{ type: 'headers', id: 1, fields, last: false }]);
    },
  );

  test.each([
    { rule: 'no status', fields: [['a', 'b']] },
    { rule: 'status in words', fields: [[':status', 'ok']] },
    { rule: '8.6: 101', fields: [[':status', '101']] },
    { rule: 'of a request', fields: [[':status', '200'], ...CONNECT] },
  ] as const satisfies readonly Malformed[])('malformed response: $rule', ({ fields }) => {
    const subject = new Subject('client');
    const id = subject.codec.request(CONNECT);
    subject.sent();
    expect(subject.push(headers(id, fields))).toEqual([
      { type: 'reset', id, code: ErrorCode.PROTOCOL_ERROR, local: true },
    ]);
    expect(subject.sent()).toEqual([rst(id, ErrorCode.PROTOCOL_ERROR)]);
  });

  test('8.1: DATA before the response', () => {
    const subject = new Subject('client');
    const id = subject.codec.request(CONNECT);
    expect(subject.push(data(id, '00'))).toEqual([{ type: 'reset', id, code: ErrorCode.PROTOCOL_ERROR, local: true }]);
  });
});

describe('requests and responses', () => {
  test('a GET is delivered, and may have trailers', () => {
    const subject = new Subject('server');
    expect(subject.push(headers(1, GET), data(1, '6162'), headers(1, [['a', 'b']], 1))).toEqual([
      { type: 'headers', id: 1, fields: GET, last: false },
      { type: 'data', id: 1, text: 'ab', last: true },
    ]);
  });

  test('1xx are skipped; a refusal may have content and trailers; a tunnel may not', () => {
    const subject = new Subject('client');
    const id = subject.codec.request(CONNECT);
    const refusal: Fields = [[':status', '503']];
    expect(
      subject.push(headers(id, [[':status', '103']]), headers(id, refusal), data(id, '6162'), headers(id, [], 1)),
    ).toEqual([
      { type: 'headers', id, fields: refusal, last: false },
      { type: 'data', id, text: 'ab', last: true },
    ]);
    const tunnel = subject.open();
    expect(subject.push(headers(tunnel, [], 1))).toEqual([
      { type: 'reset', id: tunnel, code: ErrorCode.PROTOCOL_ERROR, local: true },
    ]);
  });

  test('padding, priority and CONTINUATION around a block', () => {
    const subject = new Subject('server');
    const bytes = block(CONNECT);
    const padded = Buffer.concat([Buffer.from([3]), octets(5), bytes.subarray(0, 4), octets(3)]);
    expect(
      subject.push(
        frame(1, Flag.PADDED | Flag.PRIORITY, 1, padded),
        frame(9, 0, 1, bytes.subarray(4, 6)),
        frame(9, Flag.END_HEADERS, 1, bytes.subarray(6)),
      ),
    ).toEqual([{ type: 'headers', id: 1, fields: CONNECT, last: false }]);
  });

  test('too many concurrent streams are refused until one has ended', () => {
    const subject = new Subject('server', { maxConcurrentStreams: 1 });
    expect(subject.push(headers(1, CONNECT), headers(3, CONNECT))).toHaveLength(1);
    expect(subject.sent()).toEqual([rst(3, ErrorCode.REFUSED_STREAM)]);
    subject.push(reset(1, ErrorCode.CANCEL));
    expect(subject.push(headers(5, CONNECT))).toHaveLength(1);
  });

  test('a list over the limit: 431 from a server, reset from a client; the table stays in step', () => {
    const long: Fields = [...CONNECT, ['x', 'y'.repeat(300)]];
    const encoder = new HpackEncoder(false);
    const send = (id: number, fields: Fields) => frame(1, 4, id, Buffer.from(encoder.encode(fields)));
    const server = new Subject('server', { maxHeaderListBytes: 300 });
    expect(server.push(send(1, long))).toEqual([]);
    expect(server.sent()).toEqual([
      { type: FrameType.HEADERS, flags: 5, id: 1, payload: expect.any(String) },
      rst(1, ErrorCode.NO_ERROR),
    ]);
    expect(server.push(send(3, CONNECT))).toEqual([{ type: 'headers', id: 3, fields: CONNECT, last: false }]);
    const client = new Subject('client', { maxHeaderListBytes: 300 });
    const id = client.codec.request(CONNECT);
    expect(client.push(headers(id, [...OK, ['x', 'y'.repeat(300)]]))).toEqual([
      { type: 'reset', id, code: ErrorCode.ENHANCE_YOUR_CALM, local: true },
    ]);
  });

  test('malformed fields of our own throw; so do those that no peer must take', () => {
    const subject = new Subject('client');
    expect(() => subject.codec.request([[':method', 'CONNECT']])).toThrow(RangeError);
    expect(() => subject.codec.request([...CONNECT, ['a', 'b\r\nc']])).toThrow(RangeError);
    expect(() => subject.codec.request([...CONNECT, ['a', 'b'.repeat(16_384)]])).toThrow(RangeError);
    expect(subject.codec.request(CONNECT)).toBe(1);
  });

  test('a server sends nothing before its final response, and that once', () => {
    const subject = new Subject('server');
    subject.push(headers(1, CONNECT));
    expect(() => subject.sendData(1, 1)).toThrow(RangeError);
    expect(() => subject.codec.respond(1, [[':status', '103']], false)).toThrow(RangeError);
    expect(() => subject.codec.respond(1, [['a', 'b']], false)).toThrow(RangeError);
    subject.codec.respond(1, OK, false);
    subject.codec.respond(1, OK, true);
    expect(subject.sent()).toHaveLength(1);
    subject.sendData(1, 1);
  });

  test('the limits of the peer hold for requests', () => {
    const subject = new Subject('client');
    subject.push(settings('000300000002'));
    expect([1, 2, 3].map(() => subject.codec.request(CONNECT))).toEqual([1, 3, 0]);
    subject.push(headers(1, [[':status', '503']], 1));
    expect(subject.codec.request(CONNECT)).toBe(0);
    subject.sendData(1, 0, true);
    expect(subject.codec.request(CONNECT)).toBe(5);
  });

  test('resets are counted against the budget', () => {
    const subject = new Subject('server', { resets: { burst: 2, perSecond: 0 } });
    const events = [1, 3, 5].flatMap((id) => subject.push(headers(id, CONNECT), reset(id, ErrorCode.CANCEL)));
    expect(events.at(-1)).toEqual({ type: 'fatal', code: ErrorCode.ENHANCE_YOUR_CALM });
    expect(events.filter(({ type }) => type === 'reset')).toHaveLength(2);
  });
});

describe('flow control', () => {
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
    expect(order).toEqual([1, 3, 5, 1, 3, 5]);
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
    expect(subject.sent().map(({ type, flags }) => [type, flags])).toEqual([
      [FrameType.SETTINGS, Flag.ACK],
      [FrameType.SETTINGS, Flag.ACK],
    ]);
  });

  test('MAX_FRAME_SIZE of the peer', () => {
    const subject = new Subject('client');
    const id = subject.open();
    expect(() => subject.sendData(id, 16_385)).toThrow(RangeError);
    subject.push(settings('000500008000'));
    expect(subject.codec.maxFrame).toBe(32_768);
    subject.sendData(id, 16_385);
  });

  test('credit tells the peer at a quarter of each window', () => {
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
    { how: 'our reset', end: (subject: Subject) => subject.codec.resetStream(1, ErrorCode.CANCEL) },
    { how: "the peer's reset", end: (subject: Subject) => void subject.push(reset(1, ErrorCode.CANCEL)) },
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
    subject.codec.resetStream(1, ErrorCode.CANCEL);
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
    expect(recorder.take()).toEqual([{ type: 'reset', id: 1, code: ErrorCode.FLOW_CONTROL_ERROR, local: true }]);
  });
});

describe('GOAWAY and PING', () => {
  test('a server drains: all may still come, then none', () => {
    const subject = serverWithStream();
    subject.codec.goaway(ErrorCode.NO_ERROR, true);
    expect(subject.push(headers(3, CONNECT))).toHaveLength(1);
    subject.codec.goaway(ErrorCode.NO_ERROR, false);
    expect(subject.sent()).toEqual([gone(0x7fff_ffff, 0), gone(3, 0)]);
    expect(subject.push(headers(5, CONNECT), data(5, '00'), windowUpdate(5, 0), reset(5, 8))).toEqual([]);
    expect(subject.push(data(1, '61'))).toHaveLength(1);
    expect(subject.sent()).toEqual([]);
  });

  test('6.8: a client learns which streams were not processed', () => {
    const subject = new Subject('client');
    const ids = [subject.open(), subject.open(), subject.open()];
    expect(subject.push(goaway(0x7fff_ffff, 0), goaway(1, 0))).toEqual([
      { type: 'goaway', last: 0x7fff_ffff, code: 0 },
      { type: 'goaway', last: 1, code: 0 },
      { type: 'reset', id: ids[1], code: ErrorCode.REFUSED_STREAM, local: false },
      { type: 'reset', id: ids[2], code: ErrorCode.REFUSED_STREAM, local: false },
    ]);
    expect(subject.codec.request(CONNECT)).toBe(0);
    expect(subject.push(data(1, '61'))).toHaveLength(1);
  });

  test('a client that said GOAWAY opens nothing more', () => {
    const subject = new Subject('client');
    subject.codec.goaway(ErrorCode.NO_ERROR, false);
    expect(subject.sent()).toEqual([gone(0, 0)]);
    expect(subject.codec.request(CONNECT)).toBe(0);
  });

  test('PING is answered before everything else', () => {
    const subject = serverWithStream();
    subject.codec.resetStream(1, ErrorCode.CANCEL);
    subject.push(frame(FrameType.PING, 0, 0, '0102030405060708'));
    expect(subject.sent()).toEqual([
      { type: FrameType.PING, flags: Flag.ACK, id: 0, payload: '0102030405060708' },
      rst(1, ErrorCode.CANCEL),
    ]);
  });

  test('only answers to our own PING count, once', () => {
    const subject = new Subject('client');
    expect(subject.push(frame(FrameType.PING, Flag.ACK, 0, octets(8)))).toEqual([]);
    subject.codec.ping();
    const [ping] = subject.sent();
    const answer = frame(FrameType.PING, Flag.ACK, 0, ping!.payload);
    expect(subject.push(answer)).toEqual([{ type: 'pong' }]);
    expect(subject.push(answer)).toEqual([]);
  });

  test('PRIORITY and unknown frames are ignored', () => {
    const subject = new Subject('server');
    expect(subject.push(frame(2, 0, 7, octets(5)), frame(0xfa, 0xff, 9, octets(50)))).toEqual([]);
    expect(subject.sent()).toEqual([]);
  });
});
