import { expect, test } from 'vitest';
import { ErrorCode } from './error-code.ts';
import { Flag, FrameType } from './frame.ts';
import type { Role } from './limits.ts';
import { data, headers, OK } from './testing/frames.ts';
import { rst, Subject, withStream } from './testing/subject.ts';

const { CANCEL } = ErrorCode;
const { END_STREAM } = Flag;
const ROLES: readonly Role[] = ['client', 'server'];
const resets = (subject: Subject) => subject.sent().filter(({ type }) => type === FrameType.RST_STREAM);

// RFC 9113 5.1: a stream that both sides have ended is closed, and whoever lets go of it then resets nothing.
test.each(
  ROLES.flatMap((role) =>
    ['6162', ''].flatMap((rest) => [true, false].map((weEndFirst) => ({ role, rest, weEndFirst }))),
  ),
)('$role, we end first: $weEndFirst, "$rest" comes with the end: given up in the event, nothing is reset', (row) => {
  const subject = withStream(row.role);
  const { codec } = subject;
  subject.recorder.data = (id, _memory, _start, _end, last) => {
    expect(last).toBe(true);
    if (!row.weEndFirst) subject.sendData(id, 0, true);
    codec.resetStream(id, CANCEL);
  };
  if (row.weEndFirst) subject.sendData(1, 0, true);
  subject.push(data(1, row.rest, END_STREAM));
  expect(resets(subject)).toEqual([]);
  expect(codec.openStreams).toBe(0);
  expect(subject.push(data(1, '00'))).toEqual([]);
});

test('a response that ends its stream, to a request that has ended', () => {
  const subject = new Subject('client');
  const id = subject.codec.request([
    [':method', 'CONNECT'],
    [':authority', 'a:1'],
  ]);
  subject.sent();
  subject.sendData(id, 0, true);
  subject.recorder.headers = () => subject.codec.resetStream(id, CANCEL);
  subject.push(headers(id, OK, END_STREAM));
  expect(resets(subject)).toEqual([]);
  expect(subject.codec.openStreams).toBe(0);
});

test.each(ROLES)('%s: a stream that one side has ended is reset', (role) => {
  const peerEnded = withStream(role);
  peerEnded.recorder.data = (id) => peerEnded.codec.resetStream(id, CANCEL);
  peerEnded.push(data(1, '', END_STREAM));
  expect(resets(peerEnded)).toEqual([rst(1, CANCEL)]);
  const weEnded = withStream(role);
  weEnded.sendData(1, 0, true);
  weEnded.codec.resetStream(1, CANCEL);
  expect(resets(weEnded)).toEqual([rst(1, CANCEL)]);
});
