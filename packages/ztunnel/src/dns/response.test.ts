import { type Answer, decode, encode } from 'dns-packet';
import { expect, test } from 'vitest';
import { decodeQuery } from './query.ts';
import { encodeResponse, type Reply } from './response.ts';
import { encodeRecord } from './wire-record.ts';

function query(name: string, udpPayloadSize?: number) {
  const option = { extendedRcode: 0, ednsVersion: 1, flags: 0x8000, flag_do: true, options: [] };
  const decoded = decodeQuery(
    encode({
      type: 'query',
      id: 9,
      flags: 0x0110,
      questions: [{ type: 'A', name }],
      additionals: udpPayloadSize === undefined ? [] : [{ type: 'OPT', name: '.', udpPayloadSize, ...option }],
    }),
  );
  if (decoded === undefined) throw new Error('no query');
  return decoded;
}

function reply(records: readonly Answer[], rest: Partial<Reply> = {}): Reply {
  return {
    rcode: 0,
    authoritative: true,
    recursionAvailable: true,
    records: records.map(encodeRecord),
    ageSeconds: 0,
    ...rest,
  };
}

test('alias and addresses: owners are pointers, flags are echoed, the question is as asked', () => {
  const bytes = encodeResponse(
    query('Web.NS.example'),
    reply([
      { type: 'CNAME', name: 'web.ns.example', ttl: 30, data: 'web' },
      { type: 'A', name: 'web', ttl: 30, data: '10.0.0.1' },
      { type: 'A', name: 'web', ttl: 30, data: '10.0.0.2' },
    ]),
    512,
  );
  const decoded = decode(bytes);
  expect(decoded).toMatchObject({ id: 9, flag_qr: true, flag_aa: true, flag_rd: true, flag_ra: true, flag_cd: true });
  expect(decoded.questions).toEqual([{ type: 'A', class: 'IN', name: 'Web.NS.example' }]);
  expect(decoded.answers?.map((record) => [record.name, record.type, 'data' in record && record.data])).toEqual([
    ['web.ns.example', 'CNAME', 'web'],
    ['web', 'A', '10.0.0.1'],
    ['web', 'A', '10.0.0.2'],
  ]);
  // Header, question, owner and data of the alias in full; two addresses behind pointers.
  expect(bytes.length).toBe(12 + 20 + (16 + 10 + 5) + 2 * 16);
});

test('what does not fit is left out, and said to be', () => {
  const records = Array.from(
    { length: 64 },
    (_, n) => ({ type: 'A', name: 'web', ttl: 30, data: `10.0.0.${n}` }) as const,
  );
  const small = decode(encodeResponse(query('web'), reply(records), 512));
  expect(small.flag_tc).toBe(true);
  expect(small.answers).toHaveLength(Math.floor((512 - 12 - 9) / 16));
  const withEdns = encodeResponse(query('web', 1000), reply(records), 1000);
  expect(withEdns.length).toBeLessThanOrEqual(1000);
  expect(decode(withEdns).additionals).toMatchObject([
    { type: 'OPT', udpPayloadSize: 1000, ednsVersion: 1, flag_do: true },
  ]);
  expect(decode(encodeResponse(query('web'), reply(records), 65_535))).toMatchObject({ flag_tc: false });
});

test('TTLs count down to 0', () => {
  const records = [
    { type: 'A', name: 'web', ttl: 77, data: '10.0.0.1' },
    { type: 'TXT', name: 'web', ttl: 5, data: 'x' },
  ] as const;
  const decoded = decode(encodeResponse(query('web'), reply(records, { ageSeconds: 19 }), 512));
  expect(decoded.answers?.map((record) => 'ttl' in record && record.ttl)).toEqual([58, 0]);
});

test('a refusal has no EDNS, and no recursion available', () => {
  const bytes = encodeResponse(
    query('web', 1000),
    reply([], { rcode: 5, recursionAvailable: false, authoritative: false }),
    512,
  );
  expect(decode(bytes)).toMatchObject({ rcode: 'REFUSED', flag_ra: false, flag_aa: false, additionals: [] });
});
