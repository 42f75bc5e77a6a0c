/** Frames from where sockets read to: they leave as records of their own without being copied, next to others that are. */
import { createHash } from 'node:crypto';
import { END, type Plain } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { NOTHING, TunnelRig } from '../testing/tunnel-rig.ts';
import { freshSeed, Random } from './random.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const HEADER_BYTES = 9;
/** What a slot takes behind the room for a header. */
const SLOT_PAYLOAD = 16_375;
const SLOTS = 16;
/** More than this is a record of its own. */
const OWN_RECORD = 4096;
const TEXT_BYTES = 800_000;

const seed = freshSeed();

/** Sizes that reads are bounded by, in turn. */
const ROWS: readonly { readonly name: string; readonly reads: readonly number[]; readonly owns: boolean }[] = [
  { name: 'full slots', reads: [SLOT_PAYLOAD], owns: true },
  { name: 'one less than a slot', reads: [SLOT_PAYLOAD - 1], owns: true },
  { name: 'one more than a slot', reads: [SLOT_PAYLOAD + 1], owns: true },
  { name: 'a whole record', reads: [SLOT_PAYLOAD + HEADER_BYTES], owns: true },
  { name: 'several slots', reads: [3 * SLOT_PAYLOAD], owns: true },
  { name: 'several slots and one octet', reads: [3 * SLOT_PAYLOAD + 1], owns: true },
  { name: 'all slots', reads: [SLOTS * SLOT_PAYLOAD], owns: true },
  { name: 'more than all slots', reads: [10 * SLOTS * SLOT_PAYLOAD], owns: true },
  { name: 'as much as is copied', reads: [OWN_RECORD], owns: false },
  { name: 'one more than is copied', reads: [OWN_RECORD + 1], owns: true },
  { name: 'single octets', reads: [1], owns: false },
  {
    name: 'large and small in turn',
    reads: [SLOT_PAYLOAD, 1, OWN_RECORD, OWN_RECORD + 1, 2 * SLOT_PAYLOAD + 5],
    owns: true,
  },
];

/** Reads all of `plain` by the sizes in turn; each piece goes to `frame` with a header before it. */
function relay(
  plain: Plain,
  nextSize: () => number,
  frame: (header: Uint8Array, memory: Uint8Array, start: number, end: number) => void,
): void {
  const sink = {
    bytes: (memory: Uint8Array, start: number, end: number): void => {
      const header = Buffer.alloc(HEADER_BYTES);
      header.writeUIntBE(end - start, 0, 6);
      frame(header, memory, start, end);
    },
  };
  const pump = (): void => {
    while (plain.read(nextSize(), sink) > 0);
  };
  plain.handler = { readable: pump, written: () => {}, failed: () => {} };
  pump();
}

interface Outcome {
  readonly digest: string;
  readonly expected: string;
  readonly ended: boolean;
  readonly payloads: readonly number[];
}

/** Sends `text` over a socket, and from there as frames over TLS. */
async function pass(text: Buffer, nextSize: () => number, between: (random: Random) => Buffer): Promise<Outcome> {
  await using rig = new TunnelRig();
  const random = new Random(seed);
  const [from, to] = await rig.pair();
  const tunnel = await rig.begin(rig.tls('spiffe://a/ns/b/sa/c'), rig.tls('spiffe://a/ns/b/sa/s'));
  await rig.established([tunnel]);
  const expected = createHash('sha256');
  const payloads: number[] = [];
  let [expectedBytes, passed] = [0, 0];
  const expectBytes = (bytes: Uint8Array): void => {
    expected.update(bytes);
    expectedBytes += bytes.length;
  };
  relay(to, nextSize, (header, memory, start, end) => {
    expectBytes(header);
    // As it was before the frame: writing the header must not change it.
    expectBytes(text.subarray(passed, passed + end - start));
    passed += end - start;
    payloads.push(end - start);
    tunnel.client.sendFrame(header, memory, start, end);
    const other = between(random);
    if (other.length > 0) {
      expectBytes(other);
      tunnel.client.send(other, 0, other.length);
    }
  });
  from.handler = { readable: () => {}, written: () => {}, failed: () => {} };
  from.write(text, 0, text.length);
  from.end();
  await rig.until(() => passed === text.length && tunnel.serverLog.received >= expectedBytes, 'all bytes');
  const ended = to.read(1, { bytes: () => {} }) === END;
  from.close();
  to.close();
  tunnel.client.close();
  tunnel.server.close();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
  const digest = `${expectedBytes} ${expected.digest('hex')}`;
  return { digest: tunnel.serverLog.digest, expected: digest, ended, payloads };
}

function textOf(random: Random, length: number): Buffer {
  const text = Buffer.alloc(length);
  for (let at = 0; at < length; at++) text[at] = random.below(256);
  return text;
}

test.each(ROWS)('reads of $name arrive unchanged', PATIENCE, async ({ reads, owns }) => {
  // One octet at a time, fewer.
  const text = textOf(new Random(seed), reads[0] === 1 ? 5000 : TEXT_BYTES);
  let index = 0;
  const { digest, expected, payloads, ended } = await pass(
    text,
    () => reads[index++ % reads.length]!,
    () => Buffer.alloc(0),
  );
  expect(digest).toBe(expected);
  expect(ended).toBe(true);
  expect(payloads.some((bytes) => bytes > OWN_RECORD)).toBe(owns);
  expect(Math.max(...payloads)).toBeLessThanOrEqual(SLOT_PAYLOAD);
});

test(`reads of any size, and other things sent in between, arrive in order (seed ${seed})`, PATIENCE, async () => {
  const sizes = new Random(seed + 1);
  const { digest, expected, payloads } = await pass(
    textOf(new Random(seed), 3 * TEXT_BYTES),
    () => sizes.size(),
    (random) => (random.below(3) === 0 ? textOf(random, random.below(40_000)) : Buffer.alloc(0)),
  );
  expect(digest).toBe(expected);
  expect(payloads.some((bytes) => bytes > OWN_RECORD)).toBe(true);
});
