import { encode, RECURSION_DESIRED } from 'dns-packet';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeUpstreamResponse, encodeUpstreamQuery } from './name-server-message.ts';
import { decodeQuery } from './query.ts';
import { buildQuestion, questionKey } from './question.ts';
import { TYPE_A } from './record-types.ts';

const encoded = encode({
  type: 'query',
  id: 7,
  flags: RECURSION_DESIRED,
  questions: [{ type: 'AAAA', name: 'Web.Example.ORG' }],
});

test('a query is read with its name in lower case and its bytes as they came', () => {
  expect(decodeQuery(encoded)).toEqual({
    id: 7,
    opcode: 0,
    echoedFlags: 0x0100,
    question: { name: 'web.example.org', type: 28, class: 1, bytes: encoded.subarray(12) },
    edns: undefined,
  });
});

test.each([
  { offered: 300, payloadBytes: 512 },
  { offered: 1400, payloadBytes: 1400 },
])('EDNS: $offered offered means $payloadBytes', ({ offered, payloadBytes }) => {
  const bytes = encode({
    questions: [{ type: 'A', name: 'a' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: offered,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0x8000,
        flag_do: true,
        options: [],
      },
    ],
  });
  expect(decodeQuery(bytes)?.edns).toEqual({ payloadBytes, version: 0, dnssecOk: true });
});

test.each([
  { name: 'a cut header', bytes: encoded.subarray(0, 11) },
  { name: 'a cut question', bytes: encoded.subarray(0, -1) },
  { name: 'a response', bytes: Buffer.from(encoded).fill(0x80, 2, 3) },
  { name: 'a pointer for a name', bytes: Buffer.from('00070100000100000000000 0c00c00010001'.replace(' ', ''), 'hex') },
  { name: 'too many bytes', bytes: Buffer.concat([encoded, Buffer.alloc(4096)]) },
  { name: 'a cut OPT record', bytes: Buffer.concat([Buffer.from(encoded).fill(1, 11, 12), Buffer.of(0, 0, 41)]) },
])('no query: $name', ({ bytes }) => {
  expect(decodeQuery(bytes)).toBeUndefined();
});

test('no question, two questions: nothing to answer, but known what to refuse', () => {
  for (const count of [0, 2]) {
    const bytes = Buffer.from(encoded);
    bytes.writeUInt16BE(count, 4);
    expect(decodeQuery(bytes)).toMatchObject({ id: 7, question: undefined });
  }
});

test('bytes that are no printable ASCII are escaped, dots in labels too', () => {
  const bytes = Buffer.concat([Buffer.alloc(12), Buffer.of(5, 0x61, 0x2e, 0xff, 0x20, 0x5c, 0, 0, 1, 0, 1)]);
  bytes.writeUInt16BE(1, 4);
  expect(decodeQuery(bytes)?.question?.name).toBe('a\\046\\255\\032\\092');
});

test('any bytes are a query or not, and never an exception', () => {
  const header = fc.uint8Array({ minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 80 }), (rest, body) => {
      const bytes = Buffer.concat([Buffer.of(0, 1, 1, 0), rest.map((value) => value % 3), body]);
      expect(() => decodeQuery(bytes)).not.toThrow();
      const question = buildQuestion('a.b', TYPE_A);
      if (question === undefined) throw new Error('not a name');
      const answer = Buffer.concat([encodeUpstreamQuery(1, question), body]);
      answer.writeUInt16BE(0x8180, 2);
      answer.writeUInt16BE(body.length % 4, 6);
      answer.writeUInt16BE(body.length % 3, 8);
      expect(() => decodeUpstreamResponse(answer, 1, question)).not.toThrow();
    }),
  );
});

test.each(['', '.', 'a..b', `${'x'.repeat(64)}.a`, Array.from({ length: 60 }, () => 'abcd').join('.')])(
  '"%s" is no host name',
  (name) => {
    expect(buildQuestion(name, TYPE_A)).toBeUndefined();
  },
);

test('questions are the same whatever their case, and name servers see lower case', () => {
  const [one, other] = ['Web.Example', 'web.eXample'].map((name) => buildQuestion(name, TYPE_A));
  if (one === undefined || other === undefined) throw new Error('not a name');
  expect(questionKey(one)).toBe(questionKey(other));
  expect(encodeUpstreamQuery(5, one)).toEqual(
    encode({ type: 'query', id: 5, flags: RECURSION_DESIRED, questions: [{ type: 'A', name: 'web.example' }] }),
  );
});
