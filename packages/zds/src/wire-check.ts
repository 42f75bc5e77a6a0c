/*
 * The reference ztunnel names the field and the reason when a packet does not decode, and agents log that text. The protobuf
 * library here accepts some of those packets and words the rest differently, so packets are checked on their own first.
 */

type FieldKind = 'string' | MessageShape;

/** A message's name and the fields the reader knows; other fields are skipped. */
interface MessageShape {
  readonly name: string;
  readonly fields: ReadonlyMap<number, { readonly name: string; readonly kind: FieldKind }>;
}

const WORKLOAD_INFO: MessageShape = {
  name: 'WorkloadInfo',
  fields: new Map([
    [1, { name: 'name', kind: 'string' }],
    [2, { name: 'namespace', kind: 'string' }],
    [3, { name: 'service_account', kind: 'string' }],
  ]),
};
const ADD: MessageShape = {
  name: 'AddWorkload',
  fields: new Map<number, { name: string; kind: FieldKind }>([
    [1, { name: 'uid', kind: 'string' }],
    [2, { name: 'workload_info', kind: WORKLOAD_INFO }],
  ]),
};
const REQUEST: MessageShape = {
  name: 'WorkloadRequest',
  fields: new Map([
    [1, { name: 'payload', kind: ADD }],
    [
      2,
      {
        name: 'payload',
        kind: { name: 'DelWorkload', fields: new Map([[2, { name: 'uid', kind: 'string' as const }]]) },
      },
    ],
    [3, { name: 'payload', kind: { name: 'SnapshotSent', fields: new Map() } }],
    [
      5,
      {
        name: 'payload',
        kind: { name: 'KeepWorkload', fields: new Map([[1, { name: 'uid', kind: 'string' as const }]]) },
      },
    ],
  ]),
};

const WIRE_TYPES = ['Varint', 'SixtyFourBit', 'LengthDelimited', 'StartGroup', 'EndGroup', 'ThirtyTwoBit'] as const;
type WireType = (typeof WIRE_TYPES)[number];

const MAX_KEY = 0xffff_ffffn;
const MAX_VARINT_BYTES = 10;
/** Groups within groups that a reader follows; a packet of 1024 bytes could nest more deeply than a stack likes. */
const MAX_DEPTH = 100;

/** Carries the text to the top; never leaves this file. */
class Malformed extends Error {}

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

/** Why `bytes` is no `WorkloadRequest`, in the reference's words; undefined if it is one. Never throws. */
export function findWireError(bytes: Uint8Array): string | undefined {
  const cursor: Cursor = { bytes, at: 0 };
  try {
    while (cursor.at < bytes.length) readField(cursor, REQUEST);
    return undefined;
  } catch (error) {
    if (error instanceof Malformed) return `failed to decode Protobuf message: ${error.message}`;
    throw error;
  }
}

function readField(cursor: Cursor, shape: MessageShape): void {
  const { number, wireType } = readKey(cursor);
  const field = shape.fields.get(number);
  if (field === undefined) {
    skip(cursor, wireType, number, 0);
    return;
  }
  try {
    if (wireType !== 'LengthDelimited')
      throw new Malformed(`invalid wire type: ${wireType} (expected LengthDelimited)`);
    if (field.kind === 'string') readString(cursor);
    else readMessage(cursor, field.kind);
  } catch (error) {
    if (error instanceof Malformed) error.message = frame(shape, field.name, error.message);
    throw error;
  }
}

/** The innermost field comes first. */
function frame(shape: MessageShape, field: string, text: string): string {
  const own = `${shape.name}.${field}: `;
  const end = /^(?:\w+\.\w+: )*/.exec(text)?.[0].length ?? 0;
  return text.slice(0, end) + own + text.slice(end);
}

function readMessage(cursor: Cursor, shape: MessageShape): void {
  const end = readLength(cursor) + cursor.at;
  while (cursor.at < end) readField(cursor, shape);
  if (cursor.at !== end) throw new Malformed('delimited length exceeded');
}

function readString(cursor: Cursor): void {
  const length = readLength(cursor);
  const text = cursor.bytes.subarray(cursor.at, cursor.at + length);
  cursor.at += length;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(text);
  } catch {
    throw new Malformed('invalid string value: data is not UTF-8 encoded');
  }
}

function readLength(cursor: Cursor): number {
  const length = readVarint(cursor);
  if (length > BigInt(cursor.bytes.length - cursor.at)) throw new Malformed('buffer underflow');
  return Number(length);
}

function readKey(cursor: Cursor): { readonly number: number; readonly wireType: WireType } {
  const key = readVarint(cursor);
  if (key > MAX_KEY) throw new Malformed(`invalid key value: ${key}`);
  const wireType = WIRE_TYPES[Number(key & 7n)];
  if (wireType === undefined) throw new Malformed(`invalid wire type value: ${key & 7n}`);
  const number = Number(key >> 3n);
  if (number === 0) throw new Malformed('invalid tag value: 0');
  return { number, wireType };
}

function readVarint(cursor: Cursor): bigint {
  let value = 0n;
  for (let count = 0; count < MAX_VARINT_BYTES; count += 1) {
    const byte = cursor.bytes[cursor.at];
    if (byte === undefined) throw new Malformed('invalid varint');
    cursor.at += 1;
    value |= BigInt(byte & 0x7f) << BigInt(7 * count);
    if (byte < 0x80) return value;
  }
  throw new Malformed('invalid varint');
}

function skip(cursor: Cursor, wireType: WireType, number: number, depth: number): void {
  if (depth > MAX_DEPTH) throw new Malformed('recursion limit reached');
  switch (wireType) {
    case 'Varint':
      readVarint(cursor);
      return;
    case 'SixtyFourBit':
      advance(cursor, 8);
      return;
    case 'ThirtyTwoBit':
      advance(cursor, 4);
      return;
    case 'LengthDelimited':
      advance(cursor, readLength(cursor));
      return;
    case 'StartGroup':
      skipGroup(cursor, number, depth);
      return;
    case 'EndGroup':
      throw new Malformed('unexpected end group tag');
  }
}

function skipGroup(cursor: Cursor, group: number, depth: number): void {
  for (;;) {
    const { number, wireType } = readKey(cursor);
    if (wireType === 'EndGroup') {
      if (number !== group) throw new Malformed('unexpected end group tag');
      return;
    }
    skip(cursor, wireType, number, depth + 1);
  }
}

function advance(cursor: Cursor, count: number): void {
  if (count > cursor.bytes.length - cursor.at) throw new Malformed('buffer underflow');
  cursor.at += count;
}
