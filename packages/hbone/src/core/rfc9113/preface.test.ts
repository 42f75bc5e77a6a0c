import { describe, expect, test } from 'vitest';
import { Codec } from '../codec.ts';
import { ErrorCode } from '../error-code.ts';
import { EventRecorder } from '../event-recorder.ts';
import { CLIENT_PREFACE, Flag, FrameType } from '../frame.ts';
import type { Role } from '../limits.ts';
import {
  CONNECT,
  data,
  frame,
  goaway,
  headers,
  octets,
  settings,
  settingsAck,
  windowUpdate,
} from '../testing/frames.ts';

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR } = ErrorCode;

/** The connection error that the first bytes of a peer end in. */
function errorOf(role: Role, ...bytes: readonly Uint8Array[]): { code: number; message: string } | undefined {
  let error: { code: number; message: string } | undefined;
  const recorder = new EventRecorder();
  recorder.fatal = (code, message) => {
    error = { code, message };
  };
  const memory = Buffer.concat(bytes);
  new Codec(role, recorder).push(memory, 0, memory.length);
  return error;
}

describe('hbone.md §2: what is said first', () => {
  test.each([
    { role: 'client', payload: '000200000000 000400400000 000500100000 000600004000' },
    { role: 'server', payload: '0003000000c8 000400400000 000500100000 000600010000' },
  ] as const)('by a $role', ({ role, payload }) => {
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

  test('in whole frames, and nothing before it', () => {
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

describe('RFC 9113 3.4: what must come first', () => {
  test.each([
    { what: 'HTTP/1.1', bytes: Buffer.from('GET / HTTP/1.1\r\n\r\n') },
    { what: 'TLS within TLS', bytes: Buffer.from('1603010200010001fc0303', 'hex') },
    { what: 'SETTINGS without the preface', bytes: settings() },
    { what: 'a preface with a wrong end', bytes: Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r') },
  ])('a server refuses $what', ({ bytes }) => {
    expect(errorOf('server', bytes)).toEqual({ code: PROTOCOL_ERROR, message: expect.stringContaining('preface') });
  });

  test('a server waits for the rest of the preface', () => {
    expect(errorOf('server', CLIENT_PREFACE.subarray(0, 23))).toBeUndefined();
  });

  test('a client refuses the answer of an HTTP/1.1 server', () => {
    expect(errorOf('client', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))).toEqual({
      code: PROTOCOL_ERROR,
      message: expect.stringContaining('is the peer an HTTP/2 endpoint?'),
    });
  });

  const firsts = [
    { what: 'DATA', bytes: data(1, ''), code: PROTOCOL_ERROR },
    { what: 'HEADERS', bytes: headers(1, CONNECT), code: PROTOCOL_ERROR },
    { what: 'PING', bytes: frame(FrameType.PING, 0, 0, octets(8)), code: PROTOCOL_ERROR },
    { what: 'WINDOW_UPDATE', bytes: windowUpdate(0, 1), code: PROTOCOL_ERROR },
    { what: 'GOAWAY', bytes: goaway(0, 0), code: PROTOCOL_ERROR },
    { what: 'an unknown frame', bytes: frame(0xfa, 0, 0), code: PROTOCOL_ERROR },
    { what: 'SETTINGS ACK', bytes: settingsAck(), code: PROTOCOL_ERROR },
    { what: 'SETTINGS on a stream', bytes: frame(FrameType.SETTINGS, 0, 1), code: PROTOCOL_ERROR },
    { what: 'SETTINGS of 5 octets', bytes: frame(FrameType.SETTINGS, 0, 0, octets(5)), code: FRAME_SIZE_ERROR },
    { what: 'SETTINGS, empty', bytes: settings(), code: undefined },
    { what: 'SETTINGS with unknown flags', bytes: frame(FrameType.SETTINGS, 0xfe, 0), code: undefined },
  ];
  test.each(firsts)('SETTINGS, not $what, from a client', ({ bytes, code }) => {
    expect(errorOf('server', CLIENT_PREFACE, bytes)?.code).toBe(code);
  });
  test.each(firsts)('SETTINGS, not $what, from a server', ({ bytes, code }) => {
    expect(errorOf('client', bytes)?.code).toBe(code);
  });

  test('requests may follow the SETTINGS at once', () => {
    const recorder = new EventRecorder();
    const bytes = Buffer.concat([CLIENT_PREFACE, settings(), headers(1, CONNECT, Flag.END_STREAM)]);
    new Codec('server', recorder).push(bytes, 0, bytes.length);
    expect(recorder.take().map(({ type }) => type)).toEqual(['settings', 'headers']);
  });
});
