import { expect, test } from 'vitest';
import { NetlinkAnswer } from './netlink-answer.ts';
import { encodeMessage } from './netlink-message.ts';

const SEQUENCE = 7;
const entry = (text: string, flags = 2, sequence = SEQUENCE): Buffer =>
  encodeMessage({ type: 16, flags, body: Buffer.from(text) }, sequence);
const done = (flags = 2): Buffer => encodeMessage({ type: 3, flags, body: Buffer.alloc(4) }, SEQUENCE);
const textsOf = ({ payloads }: NetlinkAnswer): string[] => payloads.map(String);

test('a list in several datagrams ends with the last', () => {
  const answer = new NetlinkAnswer(SEQUENCE);
  const datagram = Buffer.concat([entry('one'), entry('two')]);
  answer.push(datagram);
  datagram.fill(0);
  expect(answer.verdict).toBeUndefined();
  answer.push(Buffer.concat([entry('three'), done(), entry('after the end')]));
  expect(textsOf(answer)).toEqual(['one', 'two', 'three']);
  expect(answer).toMatchObject({ verdict: { errno: 0 }, interrupted: false });
});

test('what belongs to another request is left out', () => {
  const answer = new NetlinkAnswer(SEQUENCE);
  answer.push(Buffer.concat([entry('stale', 0x10, SEQUENCE - 1), entry('mine'), done()]));
  expect(textsOf(answer)).toEqual(['mine']);
  expect(answer.interrupted).toBe(false);
});

test.each([
  { why: 'an entry says so', push: (answer: NetlinkAnswer) => answer.push(entry('one', 0x12)) },
  { why: 'its end says so', push: (answer: NetlinkAnswer) => answer.push(done(0x12)) },
  { why: 'a piece was lost', push: (answer: NetlinkAnswer) => answer.lose() },
])('a list is interrupted when $why', ({ push }) => {
  const answer = new NetlinkAnswer(SEQUENCE);
  push(answer);
  answer.push(done());
  expect(answer).toMatchObject({ interrupted: true, verdict: { errno: 0 } });
});

test('an answer that does not end is cut off at its limit', () => {
  const answer = new NetlinkAnswer(SEQUENCE, 10);
  answer.push(entry('12345'));
  answer.push(entry('67890'));
  expect(() => answer.push(entry('x'))).toThrow(expect.objectContaining({ code: 'NETNS_MALFORMED' }));
});
