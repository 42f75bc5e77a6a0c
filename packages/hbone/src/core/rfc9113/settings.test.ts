import { describe, expect, test } from 'vitest';
import { ErrorCode } from '../error-code.ts';
import { Flag, FrameType } from '../frame.ts';
import type { Role } from '../limits.ts';
import { CONNECT, settings, settingsAck, windowUpdate } from '../testing/frames.ts';
import { Subject, withStream } from '../testing/subject.ts';

const { FLOW_CONTROL_ERROR, PROTOCOL_ERROR } = ErrorCode;
const ROLES: readonly Role[] = ['client', 'server'];

describe.each(ROLES)('6.5.2: values at a %s', (role) => {
  test.each([
    { rule: 'ENABLE_PUSH 2', payload: '000200000002', code: PROTOCOL_ERROR },
    { rule: 'ENABLE_PUSH 0', payload: '000200000000', code: undefined },
    { rule: 'INITIAL_WINDOW_SIZE 2^31', payload: '000480000000', code: FLOW_CONTROL_ERROR },
    { rule: 'INITIAL_WINDOW_SIZE 2^31-1', payload: '00047fffffff', code: undefined },
    { rule: 'MAX_FRAME_SIZE 2^14-1', payload: '000500003fff', code: PROTOCOL_ERROR },
    { rule: 'MAX_FRAME_SIZE 2^14', payload: '000500004000', code: undefined },
    { rule: 'MAX_FRAME_SIZE 2^24-1', payload: '000500ffffff', code: undefined },
    { rule: 'MAX_FRAME_SIZE 2^24', payload: '000501000000', code: PROTOCOL_ERROR },
    { rule: 'RFC 8441 3: ENABLE_CONNECT_PROTOCOL 2', payload: '000800000002', code: PROTOCOL_ERROR },
    { rule: 'HEADER_TABLE_SIZE of 4 GiB', payload: '0001ffffffff', code: undefined },
    { rule: 'the same twice', payload: '000400000001 000400000002', code: undefined },
  ])('$rule', ({ payload, code }) => {
    expect(withStream(role).errorOf(settings(payload.replaceAll(' ', '')))).toBe(code);
  });

  test('6.9.2: a window that SETTINGS makes too large', () => {
    const frames = [windowUpdate(1, 0x7fff_ffff - 65_535), settings('000400010000')];
    expect(withStream(role).errorOf(...frames)).toBe(FLOW_CONTROL_ERROR);
  });

  test('6.5.3: acknowledged once applied, in order', () => {
    const subject = withStream(role);
    expect(subject.push(settings(), settings('000500008000'))).toEqual([{ type: 'settings' }, { type: 'settings' }]);
    expect(subject.codec.maxFrame).toBe(32_768);
    const ack = { type: FrameType.SETTINGS, flags: Flag.ACK, id: 0, payload: '' };
    expect(subject.sent()).toEqual([ack, ack]);
  });

  test('6.5.3: an acknowledgement that we did not ask for', () => {
    expect(withStream(role).errorOf(settingsAck())).toBe(PROTOCOL_ERROR);
  });
});

test.each([
  { rule: '6.5.2: a server must not enable push', role: 'client', payload: '000200000001', code: PROTOCOL_ERROR },
  { rule: '6.5.2: a client may', role: 'server', payload: '000200000001', code: undefined },
  { rule: 'RFC 8441 3: a server takes nothing back', role: 'client', payload: '000800000000', code: PROTOCOL_ERROR },
  { rule: 'RFC 8441 3: from a client it means nothing', role: 'server', payload: '000800000000', code: undefined },
] as const)('$rule', ({ role, payload, code }) => {
  const subject = new Subject(role);
  expect(subject.errorOf(settings('000800000001'))).toBeUndefined();
  expect(subject.errorOf(settings(payload))).toBe(code);
});

test('6.5.2: a client assumes 100 streams until SETTINGS say otherwise, or nothing', () => {
  const subject = new Subject('client');
  expect(subject.codec.maxConcurrentStreams).toBe(Number.POSITIVE_INFINITY);
  subject.push(settings('000300000007'), settings());
  expect(subject.codec.maxConcurrentStreams).toBe(7);
});

test('4.3.1: HEADER_TABLE_SIZE is announced in the next block, the smallest in between first', () => {
  const subject = new Subject('client');
  subject.push(settings('000100000000'), settings('000100000064'));
  subject.sent();
  subject.codec.request(CONNECT);
  expect(subject.sent()[0]?.payload).toMatch(/^203f45/);
});
