import { describe, expect, test } from 'vitest';
import type { Fields } from '../contract.ts';
import { ErrorCode } from '../error-code.ts';
import { Flag } from '../frame.ts';
import { CONNECT, data, headers, OK } from '../testing/frames.ts';
import { rst, Subject } from '../testing/subject.ts';

const { PROTOCOL_ERROR } = ErrorCode;
const { END_STREAM } = Flag;

function connectTo(authority: string): Fields {
  return [
    [':method', 'CONNECT'],
    [':authority', authority],
  ];
}

describe('8.5: a CONNECT that is malformed', () => {
  test.each([
    { rule: 'with :path', fields: [...CONNECT, [':path', '/']] },
    { rule: 'with :scheme', fields: [...CONNECT, [':scheme', 'http']] },
    { rule: 'with :protocol (RFC 8441)', fields: [...CONNECT, [':protocol', 'websocket']] },
    { rule: 'without authority', fields: [[':method', 'CONNECT']] },
    {
      rule: 'with host instead',
      fields: [
        [':method', 'CONNECT'],
        ['host', 'a:80'],
      ],
    },
    ...['', 'a b:80', 'a/b:80', '::1:80', '[::1:80', 'u@h:80', 'h:80:90', 'h:8x', 'ä:80', ':80', 'h:-1'].map(
      (text) => ({
        rule: `to '${text}'`,
        fields: connectTo(text),
      }),
    ),
  ] as const satisfies readonly { rule: string; fields: Fields }[])('$rule', ({ fields }) => {
    const subject = new Subject('server');
    expect(subject.push(headers(1, fields))).toEqual([]);
    expect(subject.sent()).toEqual([rst(1, PROTOCOL_ERROR)]);
    expect(subject.codec.failed).toBe(false);
  });

  test.each(['10.0.0.1:80', '[::1]:80', 'svc.ns.svc.cluster.local:80', 'a', 'h:'])('to %s is not', (authority) => {
    const fields = connectTo(authority);
    expect(new Subject('server').push(headers(1, fields))).toEqual([{ type: 'headers', id: 1, fields, last: false }]);
  });
});

describe('8.5: a tunnel', () => {
  test('carries bytes both ways before and after either end', () => {
    const subject = new Subject('server');
    subject.push(headers(1, CONNECT), data(1, '61'));
    subject.codec.respond(1, OK, false);
    subject.sendData(1, 5);
    expect(subject.push(data(1, '62', END_STREAM))).toEqual([{ type: 'data', id: 1, text: 'b', last: true }]);
    subject.sendData(1, 5, true);
    expect(subject.codec.openStreams).toBe(0);
  });

  test('no content-length means anything to it. RFC 9110 9.3.6', () => {
    const server = new Subject('server');
    expect(server.push(headers(1, [...CONNECT, ['content-length', '1']]), data(1, '6162'))).toHaveLength(2);
    const client = new Subject('client');
    const id = client.codec.request(CONNECT);
    expect(client.push(headers(id, [...OK, ['content-length', 'x']]), data(id, '6162'))).toHaveLength(2);
  });

  test('is one with every 2xx', () => {
    const subject = new Subject('client');
    const id = subject.codec.request(CONNECT);
    expect(subject.push(headers(id, [[':status', '204']]), headers(id, [], END_STREAM)).at(-1)).toEqual({
      type: 'reset',
      id,
      code: PROTOCOL_ERROR,
      local: true,
    });
  });
});

describe('what we say ourselves', () => {
  test('malformed fields throw; so do those that no peer must take', () => {
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

  test('a response may end the stream', () => {
    const subject = new Subject('server');
    subject.push(headers(1, CONNECT, END_STREAM));
    subject.codec.respond(1, [[':status', '401']], true);
    expect(subject.codec.openStreams).toBe(0);
    expect(subject.codec.budget(1)).toBe(0);
  });
});
