import { describe, expect, test } from 'vitest';
import type { Fields } from '../contract.ts';
import { ErrorCode } from '../error-code.ts';
import { Flag, FrameType } from '../frame.ts';
import { HpackEncoder } from '../hpack/encoder.ts';
import { block, CONNECT, data, frame, GET, headers, OK, octets } from '../testing/frames.ts';
import { rst, Subject } from '../testing/subject.ts';

const { ENHANCE_YOUR_CALM, NO_ERROR, PROTOCOL_ERROR } = ErrorCode;
const { END_HEADERS, END_STREAM, PADDED, PRIORITY } = Flag;
const [METHOD, SCHEME, PATH] = GET;
const METHOD_CONNECT = [':method', 'CONNECT'] as const;
const REFUSAL: Fields = [[':status', '503']];

interface Malformed {
  readonly rule: string;
  readonly fields: Fields;
}

/** What makes any header block malformed, behind the pseudo fields that it needs. */
const FIELDS: readonly Malformed[] = [
  { rule: '8.2: of a name in capitals', fields: [['Baggage', 'x']] },
  { rule: '8.2.1: without a name', fields: [['', 'x']] },
  { rule: '8.2.1: of a name with a space', fields: [['a b', 'x']] },
  { rule: '8.2.1: of a name with a colon', fields: [['a:b', 'x']] },
  { rule: '8.2.1: of a name with NUL', fields: [['a\0', 'x']] },
  { rule: '8.2.1: of a name with an octet above 0x7f', fields: [['ä', 'x']] },
  { rule: '8.2.1: with a line feed', fields: [['a', 'x\ny']] },
  { rule: '8.2.1: with a carriage return', fields: [['a', 'x\r']] },
  { rule: '8.2.1: with NUL', fields: [['a', 'x\0y']] },
  { rule: '8.2.1: with a leading space', fields: [['a', ' x']] },
  { rule: '8.2.1: with a trailing tab', fields: [['a', 'x\t']] },
  ...['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'].map((name) => ({
    rule: `8.2.2: ${name}`,
    fields: [[name, 'x']] as const,
  })),
  { rule: '8.2.2: te other than trailers', fields: [['te', 'gzip']] },
  { rule: '8.2.2: te with more than trailers', fields: [['te', 'trailers, deflate;q=0.5']] },
  { rule: '8.3: an unknown pseudo field', fields: [[':x', 'y']] },
  { rule: '8.3: a pseudo field behind others', fields: [['a', 'b'], METHOD] },
];

const REQUESTS: readonly Malformed[] = [
  ...FIELDS.map(({ rule, fields }) => ({ rule, fields: [...CONNECT, ...fields] })),
  { rule: '8.3: of a response', fields: [...CONNECT, [':status', '200']] },
  { rule: '8.3: :authority twice', fields: [...CONNECT, [':authority', 'a:80']] },
  { rule: '8.3: a pseudo field with a line feed', fields: [METHOD, SCHEME, [':path', '/\n']] },
  { rule: '8.3.1: no field at all', fields: [] },
  { rule: '8.3.1: no method', fields: [[':authority', 'a:80']] },
  { rule: '8.3.1: method twice', fields: [METHOD, METHOD, SCHEME, PATH] },
  { rule: '8.3.1: scheme twice', fields: [METHOD, SCHEME, SCHEME, PATH] },
  { rule: '8.3.1: path twice', fields: [METHOD, SCHEME, PATH, PATH] },
  { rule: '8.3.1: a method that is no token', fields: [[':method', 'GE T'], SCHEME, PATH] },
  { rule: '8.3.1: no scheme', fields: [METHOD, PATH] },
  { rule: '8.3.1: no path', fields: [METHOD, SCHEME] },
  { rule: '8.3.1: an empty path', fields: [METHOD, SCHEME, [':path', '']] },
  { rule: '8.3.1: host other than :authority', fields: [...CONNECT, ['host', '10.0.0.2:80']] },
  { rule: '8.3.1: host of another port', fields: [...CONNECT, ['host', '10.0.0.1:81']] },
  { rule: '8.3.1: host without the port', fields: [...CONNECT, ['host', '10.0.0.1']] },
  { rule: '8.3.1: an empty host', fields: [...CONNECT, ['host', '']] },
  { rule: '8.3.1: host twice, one other', fields: [...CONNECT, ['host', '10.0.0.1:80'], ['host', 'b:80']] },
  { rule: '8.3.1: two hosts without :authority', fields: [...GET, ['host', 'a'], ['host', 'b']] },
  { rule: '8.1.1: content-length that is no number', fields: [...GET, ['content-length', '-1']] },
  { rule: '8.1.1: content-length twice', fields: [...GET, ['content-length', '1'], ['content-length', '2']] },
  { rule: '8.1.1: content-length beyond numbers', fields: [...GET, ['content-length', '9'.repeat(17)]] },
];

describe('a malformed request is a stream error', () => {
  test.each(REQUESTS)('$rule', ({ fields }) => {
    const subject = new Subject('server');
    expect(subject.push(headers(1, fields))).toEqual([]);
    expect(subject.sent()).toEqual([rst(1, PROTOCOL_ERROR)]);
    expect(subject.push(headers(3, CONNECT))).toHaveLength(1);
  });
});

test.each<Malformed>([
  { rule: 'the same', fields: [...CONNECT, ['host', '10.0.0.1:80']] },
  { rule: 'the same in capitals', fields: [METHOD_CONNECT, [':authority', 'a.example:80'], ['host', 'A.Example:80']] },
  { rule: 'no :authority', fields: [...GET, ['host', 'a']] },
  { rule: 'the default port', fields: [METHOD, SCHEME, [':authority', 'a:80'], PATH, ['host', 'a']] },
  { rule: 'an empty port', fields: [METHOD, SCHEME, [':authority', 'a'], PATH, ['host', 'a:']] },
])('8.3.1: host is $rule', ({ fields }) => {
  expect(new Subject('server').push(headers(1, fields))).toMatchObject([{ type: 'headers' }]);
});

const RESPONSES: readonly Malformed[] = [
  ...FIELDS.map(({ rule, fields }) => ({ rule, fields: [...OK, ...fields] })),
  { rule: '8.3: of a request', fields: [...OK, ...CONNECT] },
  { rule: '8.3.2: no field at all', fields: [] },
  { rule: '8.3.2: no status', fields: [['a', 'b']] },
  { rule: '8.3.2: status twice', fields: [...OK, ...OK] },
  { rule: '8.3.2: status in words', fields: [[':status', 'ok']] },
  { rule: '8.3.2: status of two digits', fields: [[':status', '20']] },
  { rule: '8.3.2: status 099', fields: [[':status', '099']] },
  { rule: '8.6: status 101', fields: [[':status', '101']] },
  { rule: '8.1.1: content-length that is no number', fields: [...REFUSAL, ['content-length', '1x']] },
];

describe('a malformed response is a stream error', () => {
  test.each(RESPONSES)('$rule', ({ fields }) => {
    const subject = new Subject('client');
    const id = subject.codec.request(CONNECT);
    subject.sent();
    expect(subject.push(headers(id, fields))).toEqual([{ type: 'reset', id, code: PROTOCOL_ERROR, local: true }]);
    expect(subject.sent()).toEqual([rst(id, PROTOCOL_ERROR)]);
    expect(subject.codec.openStreams).toBe(0);
  });

  test('8.1: an interim response that ends the stream', () => {
    const subject = new Subject('client');
    const id = subject.codec.request(CONNECT);
    const events = subject.push(headers(id, [[':status', '103']], END_STREAM));
    expect(events).toEqual([{ type: 'reset', id, code: PROTOCOL_ERROR, local: true }]);
  });

  test('8.1: content before it', () => {
    const subject = new Subject('client');
    const id = subject.codec.request(CONNECT);
    expect(subject.push(data(id, '00'))).toEqual([{ type: 'reset', id, code: PROTOCOL_ERROR, local: true }]);
  });
});

describe('8.1: content and trailers, where there is no tunnel', () => {
  const GET_4: Fields = [...GET, ['content-length', '4']];

  test('a request', () => {
    const subject = new Subject('server');
    expect(subject.push(headers(1, GET), data(1, '6162'), headers(1, [['a', 'b']], END_STREAM))).toEqual([
      { type: 'headers', id: 1, fields: GET, last: false },
      { type: 'data', id: 1, text: 'ab', last: true },
    ]);
  });

  test('a response, after interim ones', () => {
    const subject = new Subject('client');
    const id = subject.codec.request(CONNECT);
    const interim = headers(id, [[':status', '103']]);
    expect(subject.push(interim, interim, headers(id, REFUSAL), data(id, '6162'), headers(id, [], END_STREAM))).toEqual(
      [
        { type: 'headers', id, fields: REFUSAL, last: false },
        { type: 'data', id, text: 'ab', last: true },
      ],
    );
  });

  test.each([
    { rule: '8.1: trailers that do not end the stream', frames: [headers(1, [['a', 'b']])] },
    { rule: '8.1: trailers with pseudo fields', frames: [headers(1, [METHOD], END_STREAM)] },
    { rule: '8.2.2: trailers with connection fields', frames: [headers(1, [['upgrade', 'x']], END_STREAM)] },
    { rule: '8.1.1: more content than announced', frames: [data(1, '0000000000')] },
    { rule: '8.1.1: more content than announced, later', frames: [data(1, '00000000'), data(1, '00', END_STREAM)] },
    { rule: '8.1.1: less content than announced', frames: [data(1, '000000', END_STREAM)] },
    { rule: '8.1.1: no content', frames: [data(1, '', END_STREAM)] },
    { rule: '8.1.1: less content than announced, then trailers', frames: [data(1, '00'), headers(1, [], END_STREAM)] },
  ])('$rule', ({ frames }) => {
    const subject = new Subject('server');
    subject.push(headers(1, GET_4));
    expect(subject.push(...frames).at(-1)).toEqual({ type: 'reset', id: 1, code: PROTOCOL_ERROR, local: true });
    expect(subject.sent()).toEqual([rst(1, PROTOCOL_ERROR)]);
  });

  test('8.1.1: as much content as announced, with padding and trailers', () => {
    const subject = new Subject('server');
    const content = [data(1, '016100', PADDED), data(1, '626364'), headers(1, [['a', 'b']], END_STREAM)];
    expect(subject.push(headers(1, GET_4), ...content).slice(1)).toEqual([
      { type: 'data', id: 1, text: 'abcd', last: true },
    ]);
  });

  test('8.1.1: it is judged a frame at a time, however it was cut', () => {
    const bytes = data(1, '6162636465');
    for (let at = 0; at < bytes.length; at++) {
      const subject = new Subject('server');
      subject.push(headers(1, GET_4));
      expect([...subject.push(bytes.subarray(0, at)), ...subject.push(bytes.subarray(at))]).toEqual([
        { type: 'reset', id: 1, code: PROTOCOL_ERROR, local: true },
      ]);
    }
  });

  test('8.1.1: content announced, and END_STREAM at once', () => {
    const server = new Subject('server');
    expect(server.push(headers(1, GET_4, END_STREAM))).toEqual([]);
    expect(server.sent()).toEqual([rst(1, PROTOCOL_ERROR)]);
    const client = new Subject('client');
    const id = client.codec.request(CONNECT);
    expect(client.push(headers(id, [...REFUSAL, ['content-length', '1']], END_STREAM))).toMatchObject([
      { type: 'reset', code: PROTOCOL_ERROR },
    ]);
  });
});

describe('6.2, 6.10: blocks in pieces', () => {
  test('padding, priority and CONTINUATION around a block', () => {
    const subject = new Subject('server');
    const bytes = block(CONNECT);
    const padded = Buffer.concat([Buffer.from([3]), octets(5), bytes.subarray(0, 4), octets(3)]);
    expect(
      subject.push(
        frame(FrameType.HEADERS, PADDED | PRIORITY | END_STREAM, 1, padded),
        frame(FrameType.CONTINUATION, 0, 1),
        frame(FrameType.CONTINUATION, 0, 1, bytes.subarray(4, 6)),
        frame(FrameType.CONTINUATION, END_HEADERS, 1, bytes.subarray(6)),
      ),
    ).toEqual([{ type: 'headers', id: 1, fields: CONNECT, last: true }]);
  });

  test('END_STREAM is nothing on CONTINUATION', () => {
    const subject = new Subject('server');
    expect(
      subject.push(
        frame(FrameType.HEADERS, 0, 1),
        frame(FrameType.CONTINUATION, END_HEADERS | END_STREAM, 1, block(CONNECT)),
      ),
    ).toEqual([{ type: 'headers', id: 1, fields: CONNECT, last: false }]);
  });
});

describe('10.5.1: a list over the limit', () => {
  const LONG: Fields = [['x', 'y'.repeat(300)]];

  test('431 from a server; the table stays in step', () => {
    const encoder = new HpackEncoder(false);
    const send = (id: number, fields: Fields) =>
      frame(FrameType.HEADERS, END_HEADERS, id, Buffer.from(encoder.encode(fields)));
    const server = new Subject('server', { maxHeaderListBytes: 300 });
    expect(server.push(send(1, [...CONNECT, ...LONG]))).toEqual([]);
    expect(server.sent()).toEqual([
      { type: FrameType.HEADERS, flags: END_HEADERS | END_STREAM, id: 1, payload: expect.any(String) },
      rst(1, NO_ERROR),
    ]);
    expect(server.push(send(3, CONNECT))).toEqual([{ type: 'headers', id: 3, fields: CONNECT, last: false }]);
  });

  test('as trailers', () => {
    const server = new Subject('server', { maxHeaderListBytes: 300 });
    server.push(headers(1, GET));
    expect(server.push(headers(1, LONG, END_STREAM))).toEqual([
      { type: 'reset', id: 1, code: ENHANCE_YOUR_CALM, local: true },
    ]);
  });

  test('as a response', () => {
    const client = new Subject('client', { maxHeaderListBytes: 300 });
    const id = client.codec.request(CONNECT);
    expect(client.push(headers(id, [...OK, ...LONG]))).toEqual([
      { type: 'reset', id, code: ENHANCE_YOUR_CALM, local: true },
    ]);
  });
});
