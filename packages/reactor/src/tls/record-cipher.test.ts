import { createCipheriv, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { Arena } from '../memory/arena.ts';
import { OpenSsl } from '../native/open-ssl.ts';
import { APPLICATION_DATA, CipherMemory, RECORD_HEADER_BYTES, RecordCipher, TAG_BYTES } from './record-cipher.ts';
import { nextSecret, type RecordSuite, recordSuite, trafficKeys } from './traffic-keys.ts';

const MOST = 16_384;
const MOST_RECORD = MOST + 300;
const AES_128 = recordSuite(0x1301)!;
const AES_256 = recordSuite(0x1302)!;
const DATA = APPLICATION_DATA;
const ALERT = 21;

const arena = new Arena(1_048_576);
const openSsl = new OpenSsl(arena);
const memory = new CipherMemory(arena);
const text = arena.reserve(MOST_RECORD);
const sealed = arena.reserve(MOST_RECORD);
const opened = arena.reserve(MOST_RECORD);
/** Of what is not ours: around what is written. */
const GUARD = 0xa5;
const ciphers: RecordCipher[] = [];
afterAll(() => {
  for (const one of ciphers) one.free();
  arena.close();
});

function cipher(suite: RecordSuite, secret: Uint8Array, encrypts: boolean): RecordCipher {
  const made = new RecordCipher(openSsl, arena, memory, { suite, secret: secret.slice(), encrypts });
  ciphers.push(made);
  return made;
}

function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'));
}

function secretOf({ hash, hashBytes }: RecordSuite): Uint8Array {
  return new Uint8Array(hkdfSync(hash, 'secret', '', '', hashBytes));
}

/** The record that `content` becomes. */
function seal(one: RecordCipher, content: Uint8Array, type = DATA): Buffer {
  arena.bytes.set(content, text);
  arena.bytes.fill(GUARD, sealed, sealed + MOST_RECORD);
  const length = one.seal(text, content.length, type, sealed);
  expect(length).toBe(content.length + 22);
  expect(arena.bytes[sealed + length]).toBe(GUARD);
  return Buffer.from(arena.bytes.subarray(sealed, sealed + length));
}

/** What is inside of `record`, the type included; empty if it is not authentic. */
function open(one: RecordCipher, record: Uint8Array): Buffer | undefined {
  arena.bytes.set(record, sealed);
  arena.bytes.fill(GUARD, opened, opened + MOST_RECORD);
  const length = one.open(sealed, record.length - RECORD_HEADER_BYTES, opened);
  expect(arena.bytes[opened + record.length - RECORD_HEADER_BYTES - TAG_BYTES]).toBe(GUARD);
  if (length < 0) return undefined;
  expect(length).toBe(record.length - RECORD_HEADER_BYTES - TAG_BYTES);
  return Buffer.from(arena.bytes.subarray(opened, opened + length));
}

/** As node:crypto makes it. RFC 8446 5.2, 5.3 */
function expected(suite: RecordSuite, secret: Uint8Array, sequence: bigint, inner: Uint8Array): Buffer {
  const { key, iv } = trafficKeys(suite, secret);
  const nonce = Buffer.from(iv);
  nonce.writeBigUInt64BE(nonce.readBigUInt64BE(4) ^ sequence, 4);
  const header = Buffer.of(DATA, 3, 3, 0, 0);
  header.writeUInt16BE(inner.length + TAG_BYTES, 3);
  const made = createCipheriv(suite === AES_128 ? 'aes-128-gcm' : 'aes-256-gcm', key, nonce).setAAD(header);
  return Buffer.concat([header, made.update(inner), made.final(), made.getAuthTag()]);
}

// RFC 8448 section 3, Simple 1-RTT Handshake: before the server's data there is a ticket.
const FIFTY = Uint8Array.from({ length: 50 }, (_, index) => index);
const CLOSE_NOTIFY = Uint8Array.of(1, 0);
test.each([
  {
    end: 'client',
    secret: '9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5',
    before: 0,
    records: [
      `17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab 3f 2b 98 19 a8 a5 b4
       6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4`,
      '17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3',
    ],
  },
  {
    end: 'server',
    secret: 'a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643',
    before: 1,
    records: [
      `17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f 82 aa 1b 36 e3 0e fa f9 7d 90
       e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 32 54 0d d0 32 e1 67 c2 95 5d`,
      '17 03 03 00 13 b5 8f d6 71 66 eb f5 99 d2 47 20 cf be 7e fa 7a 88 64 a9',
    ],
  },
])('RFC 8448 3: what the $end says', ({ secret, before, records }) => {
  const [sealing, opening] = [cipher(AES_128, hex(secret), true), cipher(AES_128, hex(secret), false)];
  sealing.records = opening.records = before;
  const [data, alert] = records.map((record) => Buffer.from(hex(record.replaceAll(/\s/g, ''))));
  expect([seal(sealing, FIFTY), seal(sealing, CLOSE_NOTIFY, ALERT)]).toEqual([data, alert]);
  expect(open(opening, data!)).toEqual(Buffer.of(...FIFTY, DATA));
  expect(open(opening, alert!)).toEqual(Buffer.of(...CLOSE_NOTIFY, ALERT));
});

const suites = fc.constantFrom(AES_128, AES_256);
/** Where numbers carry over, and anything else. */
const sequences = fc.oneof(
  fc.constantFrom(0, 1, 255, 256, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40, 2 ** 48 - 1, 2 ** 52),
  fc.nat({ max: 2 ** 31 - 1 }),
  fc.maxSafeNat().map((number) => Math.floor(number / 2)),
);
const lengths = fc.oneof(fc.constantFrom(0, 1, 15, 16, 17, MOST - 1, MOST), fc.nat({ max: MOST }));

test('any length and any sequence number: as node:crypto, and back', () => {
  fc.assert(
    fc.property(suites, sequences, lengths, fc.nat({ max: 255 }), (suite, sequence, length, salt) => {
      const secret = secretOf(suite);
      const content = Buffer.alloc(length).map((_, index) => index * 7 + salt);
      const [sealing, opening] = [cipher(suite, secret, true), cipher(suite, secret, false)];
      sealing.records = opening.records = sequence;
      const inner = Buffer.of(...content, DATA);
      const record = seal(sealing, content);
      expect(record.equals(expected(suite, secret, BigInt(sequence), inner))).toBe(true);
      expect(open(opening, record)?.equals(inner)).toBe(true);
      expect([sealing.records, opening.records]).toEqual([sequence + 1, sequence + 1]);
      for (const one of ciphers.splice(0)) one.free();
    }),
    { numRuns: 60 },
  );
});

test('each record has a number of its own, over what makes 2^32 of them', () => {
  const secret = secretOf(AES_256);
  const sealing = cipher(AES_256, secret, true);
  sealing.records = 2 ** 32 - 2;
  for (let count = 0n; count < 4n; count++) {
    const sequence = 2n ** 32n - 2n + count;
    expect(seal(sealing, FIFTY)).toEqual(expected(AES_256, secret, sequence, Buffer.of(...FIFTY, DATA)));
  }
});

test('a record with any octet changed is refused, and what comes next is not taken for it', () => {
  const secret = secretOf(AES_256);
  const record = seal(cipher(AES_256, secret, true), FIFTY);
  for (let at = 0; at < record.length; at++) {
    const opening = cipher(AES_256, secret, false);
    const changed = Buffer.from(record);
    changed[at] = changed[at]! ^ 0x80;
    expect(open(opening, changed)).toBeUndefined();
    // It had the number of the first.
    expect(open(opening, record)).toBeUndefined();
    expect(openSsl.peekError()).toBe(0);
  }
});

test('another place, another key and the other suite open nothing', () => {
  const secret = secretOf(AES_256);
  const record = seal(cipher(AES_256, secret, true), FIFTY);
  const second = cipher(AES_256, secret, false);
  second.records = 1;
  const updated = cipher(AES_256, secret, false);
  updated.update();
  const other = cipher(AES_128, secretOf(AES_128), false);
  expect([second, updated, other].map((one) => open(one, record))).toEqual([undefined, undefined, undefined]);
});

test.each([AES_128, AES_256])('KeyUpdates of $hash: keys of the next secret, numbers from 0', (suite) => {
  const secret = secretOf(suite);
  const [sealing, opening] = [cipher(suite, secret, true), cipher(suite, secret, false)];
  let current = secret;
  for (let count = 0; count < 5; count++) {
    const record = seal(sealing, FIFTY);
    expect(record).toEqual(expected(suite, current, 0n, Buffer.of(...FIFTY, DATA)));
    expect(open(opening, record)).toEqual(Buffer.of(...FIFTY, DATA));
    sealing.update();
    opening.update();
    expect(sealing.records).toBe(0);
    current = nextSecret(suite, current);
  }
});

test('freed twice: once; it seals and opens nothing then, and has no secret', () => {
  const secret = secretOf(AES_256);
  const made = new RecordCipher(openSsl, arena, memory, { suite: AES_256, secret, encrypts: true });
  expect(made.usable).toBe(true);
  made.free();
  made.free();
  expect(made.usable).toBe(false);
  expect(made.seal(text, 1, DATA, sealed)).toBe(-1);
  expect(made.open(sealed, 20, opened)).toBe(-1);
  expect(secret).toEqual(new Uint8Array(48));
});

test('no key and no secret is left in the arena', () => {
  const secret = secretOf(AES_256);
  const one = cipher(AES_256, secret, true);
  const next = nextSecret(AES_256, secret);
  for (let count = 0; count < 2; count++) {
    // The nonce of number 0 is the IV, which AES-GCM needs no secret of: it goes with the next record.
    for (let record = 0; record < 2; record++) seal(one, FIFTY);
    const all = Buffer.from(arena.bytes.buffer, arena.bytes.byteOffset, arena.bytes.length);
    for (const known of [secret, next].flatMap((of) => [of, ...Object.values(trafficKeys(AES_256, of))]))
      expect(all.indexOf(known)).toBe(-1);
    one.update();
  }
});

test('memory that is not all inside of the arena is refused', () => {
  const one = cipher(AES_128, secretOf(AES_128), true);
  expect(() => one.seal(text, 100, DATA, arena.size - 100)).toThrow(
    expect.objectContaining({ code: 'REACTOR_MEMORY_MISUSED' }),
  );
  expect(() => one.open(arena.size - 20, 17, opened)).toThrow(
    expect.objectContaining({ code: 'REACTOR_MEMORY_MISUSED' }),
  );
});
