import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyUpdate, PostHandshake, type Refusal } from './post-handshake.ts';

type Role = 'client' | 'server';
type Result = 'update' | 'update-requested' | Refusal | undefined;

const [UPDATE, TICKET] = [24, 4];
const WHOLE_TICKET = [TICKET, 0, 0, 5, 9, 9, 9, 9, 9];
const NOT_LAST = { alert: 10, reason: 'NOT_ON_RECORD_BOUNDARY' };
const UNEXPECTED = { alert: 10, reason: 'UNEXPECTED_MESSAGE' };
const TOO_LONG = { alert: 47, reason: 'EXCESSIVE_MESSAGE_SIZE' };
const BAD_UPDATE = { alert: 50, reason: 'BAD_KEY_UPDATE' };

/** What the last of these records came to; the others to nothing. */
function pushed(role: Role, records: readonly (readonly number[])[]): Result {
  const messages = new PostHandshake(role);
  let result: Result;
  for (const record of records) {
    expect(result).toBeUndefined();
    // Somewhere in the middle of memory.
    result = messages.push(Uint8Array.of(255, ...record, 255), 1, 1 + record.length);
  }
  return result;
}

test.each([
  { what: 'KeyUpdate', records: [[UPDATE, 0, 0, 1, 0]], result: 'update' },
  { what: 'KeyUpdate with request', records: [[UPDATE, 0, 0, 1, 1]], result: 'update-requested' },
  { what: 'KeyUpdate with 2', records: [[UPDATE, 0, 0, 1, 2]], result: { alert: 47, reason: 'BAD_KEY_UPDATE' } },
  {
    what: 'over two records',
    records: [
      [UPDATE, 0, 0],
      [1, 1],
    ],
    result: 'update-requested',
  },
  { what: 'its body apart', records: [[UPDATE, 0, 0, 1], [0]], result: 'update' },
  { what: 'octet by octet', records: [[UPDATE], [0], [0], [1], [0]], result: 'update' },
  { what: 'not last', records: [[UPDATE, 0, 0, 1, 0, 4]], result: NOT_LAST },
  { what: 'not last, and wrong', records: [[UPDATE, 0, 0, 1, 9, 4]], result: NOT_LAST },
  { what: 'two', records: [[UPDATE, 0, 0, 1, 0, UPDATE, 0, 0, 1, 0]], result: NOT_LAST },
  {
    what: 'its end not last',
    records: [
      [UPDATE, 0, 0, 1],
      [0, 0],
    ],
    result: NOT_LAST,
  },
  { what: 'of 0', records: [[UPDATE, 0, 0, 0]], result: BAD_UPDATE },
  { what: 'of 0, not last', records: [[UPDATE, 0, 0, 0, 0]], result: NOT_LAST },
  { what: 'of 2', records: [[UPDATE, 0, 0, 2]], result: TOO_LONG },
  { what: 'of 2^24 - 1', records: [[UPDATE, 255, 255, 255]], result: TOO_LONG },
  { what: 'the beginning', records: [[UPDATE, 0, 0, 1]], result: undefined },
] as const)('KeyUpdate, $what', ({ records, result }) => {
  for (const role of ['client', 'server'] as const) expect(pushed(role, records)).toEqual(result);
});

test.each([
  { what: 'one', records: [WHOLE_TICKET] },
  { what: 'three in a record', records: [[...WHOLE_TICKET, ...WHOLE_TICKET, ...WHOLE_TICKET]] },
  { what: 'in pieces', records: [WHOLE_TICKET.slice(0, 2), WHOLE_TICKET.slice(2, 6), WHOLE_TICKET.slice(6)] },
  {
    what: 'one and a half',
    records: [
      [...WHOLE_TICKET, ...WHOLE_TICKET.slice(0, 3)],
      [...WHOLE_TICKET.slice(3), ...WHOLE_TICKET],
    ],
  },
  { what: 'of nothing', records: [[TICKET, 0, 0, 0]] },
])('tickets: $what', ({ records }) => {
  expect(pushed('client', records)).toBeUndefined();
  expect(pushed('client', [...records, [...keyUpdate(false)]])).toBe('update');
  expect(pushed('server', [records.flat()])).toEqual(UNEXPECTED);
});

test.each([
  { what: 'a ticket as long as OpenSSL takes', record: [TICKET, 2, 1, 10], result: undefined },
  { what: 'a longer ticket', record: [TICKET, 2, 1, 11], result: TOO_LONG },
  { what: 'the longest', record: [TICKET, 255, 255, 255], result: TOO_LONG },
  ...[0, 1, 2, 5, 8, 11, 13, 15, 20, 23, 25, 254, 255].map((type) => ({
    what: `a message of type ${type}`,
    record: [type, 0, 0, 1],
    result: UNEXPECTED,
  })),
])('a client gets $what', ({ record, result }) => {
  expect(pushed('client', [record])).toEqual(result);
});

test.each([
  { records: [], interrupted: undefined },
  { records: [[TICKET]], interrupted: 'inHeader' },
  { records: [[TICKET, 0, 0]], interrupted: 'inHeader' },
  { records: [[TICKET, 0, 0, 5]], interrupted: 'inBody' },
  {
    records: [
      [TICKET, 0, 0, 5, 9],
      [9, 9, 9],
    ],
    interrupted: 'inBody',
  },
  { records: [WHOLE_TICKET], interrupted: undefined },
  { records: [[...WHOLE_TICKET, UPDATE]], interrupted: 'inHeader' },
  { records: [[UPDATE, 0, 0, 1], [1]], interrupted: undefined },
] as const)('$records: interrupted $interrupted', ({ records, interrupted }) => {
  const messages = new PostHandshake('client');
  for (const record of records) messages.push(Uint8Array.from(record), 0, record.length);
  expect(messages.interrupted).toBe(interrupted);
});

const message = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((body) => [TICKET, 0, body.length >> 8, body.length & 255, ...body]),
  fc.constantFrom([...keyUpdate(false)], [...keyUpdate(true)]),
);

test('tickets and KeyUpdates, in whatever pieces: the same updates, in the same places', () => {
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (all, sizes) => {
      const messages = new PostHandshake('client');
      const results: Result[] = [];
      let size = 0;
      let open: number[] = [];
      const put = (record: readonly number[]): void => {
        const result = messages.push(Uint8Array.from(record), 0, record.length);
        if (result !== undefined) results.push(result);
      };
      for (const one of all) {
        open.push(...one);
        // A KeyUpdate is the last of its record.
        const last = one[0] === UPDATE;
        while (open.length > 0) {
          const next = sizes[size % sizes.length]!;
          if (open.length < next && !last) break;
          size++;
          put(open.slice(0, next));
          open = open.slice(next);
        }
      }
      const updates = all.filter(([type]) => type === UPDATE);
      expect(results).toEqual(updates.map((update) => (update.at(-1) === 1 ? 'update-requested' : 'update')));
    }),
  );
});

test('any octets, in whatever pieces: the same refusal', () => {
  const octets = fc.array(fc.constantFrom(0, 0, 1, 2, TICKET, UPDATE, UPDATE, 200), { minLength: 1, maxLength: 30 });
  const first = ({ role, pieces }: { readonly role: Role; readonly pieces: readonly (readonly number[])[] }) => {
    const messages = new PostHandshake(role);
    for (const piece of pieces) {
      const result = messages.push(Uint8Array.from(piece), 0, piece.length);
      if (result !== undefined) return result;
    }
    return undefined;
  };
  fc.assert(
    fc.property(octets, fc.constantFrom<Role>('client', 'server'), (record, role) => {
      const whole = first({ role, pieces: [record] });
      const apart = first({ role, pieces: record.map((octet) => [octet]) });
      // A KeyUpdate that something follows in its record is a fault of records, not of messages.
      if (typeof whole === 'object' && whole.reason === NOT_LAST.reason) return;
      expect(apart).toEqual(whole);
    }),
  );
});
