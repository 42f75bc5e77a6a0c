import type { Arena } from '../memory/arena.ts';
import { OpenSsl } from '../native/open-ssl.ts';
import { APPLICATION_DATA, CipherMemory, RECORD_HEADER_BYTES, RecordCipher, TAG_BYTES } from './record-cipher.ts';
import { recordSuite } from './traffic-keys.ts';

interface KnownAnswer {
  readonly suite: number;
  readonly secret: string;
  /** The first record with this secret, and the first after a KeyUpdate: of CONTENT_BYTES, from 0 on. */
  readonly records: readonly [string, string];
}

const CONTENT_BYTES = 50;
const RECORD_BYTES = RECORD_HEADER_BYTES + CONTENT_BYTES + 1 + TAG_BYTES;
/** Of the ciphertext. */
const CHANGED_BYTE = RECORD_HEADER_BYTES + 1;

const KNOWN_ANSWERS: Readonly<Record<string, KnownAnswer>> = {
  // The first one is the client's of RFC 8448 section 3; the others are by node:crypto.
  'AES-128': {
    suite: 0x1301,
    secret: '9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5',
    records: [
      `1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014
bd1e3deae63aeebb21694915e4`,
      `170303004308dab385c781c25090659835dd8d7c1d003c6ec2e6a058caf903c16580776a1b2ab63e00cdedf2c514502b8a361881663b197b2577d5
0a5707081e221deb8ed217c624`,
    ],
  },
  'AES-256': {
    suite: 0x1302,
    secret: `000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f`,
    records: [
      `170303004348367d3f1108b08299cd5fedf3577a5ad5cbaf77a508fec38da5043a10a17591aca668892875dc0cc35598125d1739778481ad6b3da8
65967b5b460f25cdc79ab1e2a4`,
      `17030300432c94a18483039971a2c635db45ddb005b36c211a51c553eda5f85efae675f3fea821dfe75bd597cc0a73e44d8d260bb6a152b274b1f3
033d3aee8f8c373f0f4a85559a`,
    ],
  },
};

/**
 * Makes and opens records whose octets are known, and refuses one that is changed. Reserves memory of `arena`. Throws
 * whatever says what is wrong.
 */
export function testRecords(arena: Arena): void {
  const openSsl = new OpenSsl(arena);
  const memory = new CipherMemory(arena);
  const places = { from: arena.reserve(RECORD_BYTES), to: arena.reserve(RECORD_BYTES) };
  for (const [name, { suite: number, secret, records }] of Object.entries(KNOWN_ANSWERS)) {
    const suite = recordSuite(number);
    if (suite === undefined) throw new Error(`${name} is unknown`);
    const newCipher = (encrypts: boolean): RecordCipher =>
      new RecordCipher(openSsl, arena, memory, { suite, secret: fromHex(secret), encrypts });
    const [sealing, opening] = [newCipher(true), newCipher(false)];
    try {
      for (const record of records) {
        testSealing(sealing, { arena, ...places, name, record: fromHex(record) });
        testOpening(opening, { arena, ...places, name, record: fromHex(record) });
        sealing.update();
        opening.update();
      }
    } finally {
      sealing.free();
      opening.free();
    }
  }
}

interface Sample {
  readonly arena: Arena;
  readonly from: number;
  readonly to: number;
  readonly name: string;
  readonly record: Uint8Array;
}

function testSealing(cipher: RecordCipher, { arena, from, to, name, record }: Sample): void {
  for (let index = 0; index < CONTENT_BYTES; index++) arena.bytes[from + index] = index;
  arena.bytes.fill(0, to, to + RECORD_BYTES);
  const length = cipher.seal(from, CONTENT_BYTES, APPLICATION_DATA, to);
  if (length !== RECORD_BYTES || !Buffer.from(record).equals(arena.bytes.subarray(to, to + RECORD_BYTES)))
    throw new Error(`${name} makes a wrong record`);
}

function testOpening(cipher: RecordCipher, { arena, from, to, name, record }: Sample): void {
  const length = RECORD_BYTES - RECORD_HEADER_BYTES;
  arena.bytes.set(record, from);
  arena.bytes.fill(0, to, to + RECORD_BYTES);
  let wrong =
    cipher.open(from, length, to) !== CONTENT_BYTES + 1 || arena.bytes[to + CONTENT_BYTES] !== APPLICATION_DATA;
  for (let index = 0; index < CONTENT_BYTES; index++) wrong ||= arena.bytes[to + index] !== index;
  if (wrong) throw new Error(`${name} opens a record wrongly`);
  // The same again, authentic but for its place; then with another octet in its own.
  if (cipher.open(from, length, to) >= 0) throw new Error(`${name} opens a record twice`);
  cipher.records = 0;
  arena.bytes[from + CHANGED_BYTE]! ^= 1;
  if (cipher.open(from, length, to) >= 0) throw new Error(`${name} opens a record that was changed`);
}

function fromHex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll('\n', ''), 'hex'));
}
