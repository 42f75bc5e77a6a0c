import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { foreignLibrary } from '../native/foreign-library.ts';
import { IOVEC } from '../native/kernel-layout.ts';
import { Arena } from './arena.ts';

const SIZE = 65_536;
const PAGE = foreignLibrary().find('getpagesize', 'int', [])();
const refused = (code: string): unknown => expect.objectContaining({ name: 'ReactorError', code });
const misused = refused('REACTOR_MEMORY_MISUSED');

/** Pages of the arena that are in memory, by mincore(2). */
function residentPages(arena: Arena): number {
  const mincore = foreignLibrary().find('mincore', 'int', ['uintptr_t', 'size_t', 'uint8_t *']);
  const pages = new Uint8Array(Math.ceil(arena.size / PAGE));
  expect(Reflect.apply(mincore, undefined, [arena.address(0, arena.size), arena.size, pages])).toBe(0);
  return pages.filter((page) => (page & 1) === 1).length;
}

function residentPagesOfProcess(): number {
  return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[1]);
}

/** `VmFlags` of proc(5), of the mapping around an address: the kernel joins neighbours that are alike. */
function mappingFlags(address: number): readonly string[] {
  let inside = false;
  for (const line of readFileSync('/proc/self/smaps', 'latin1').split('\n')) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range !== null) inside = address >= Number.parseInt(range[1]!, 16) && address < Number.parseInt(range[2]!, 16);
    else if (inside && line.startsWith('VmFlags:')) return line.split(' ').slice(1);
  }
  return [];
}

test.each([
  { at: 0, length: 0 },
  { at: 0, length: SIZE },
  { at: SIZE, length: 0 },
  { at: SIZE - 1, length: 1 },
])('[$at, +$length) is inside', ({ at, length }) => {
  using arena = new Arena(SIZE);
  expect(arena.address(at, length)).toBe(arena.address(0, 0) + at);
});

test.each([
  { at: -1, length: 1 },
  { at: -1, length: 0 },
  { at: -0.5, length: 1 },
  { at: 0, length: -1 },
  { at: SIZE, length: -1 },
  { at: 0, length: SIZE + 1 },
  { at: SIZE, length: 1 },
  { at: SIZE - 1, length: 2 },
  { at: SIZE + 1, length: 0 },
  { at: Number.NaN, length: 1 },
  { at: 0, length: Number.NaN },
  { at: 0, length: Number.POSITIVE_INFINITY },
  { at: Number.POSITIVE_INFINITY, length: 0 },
  { at: Number.NEGATIVE_INFINITY, length: Number.POSITIVE_INFINITY },
  { at: 2 ** 32, length: 0 },
  { at: 2 ** 53, length: 2 ** 53 },
  { at: Number.MAX_VALUE, length: -Number.MAX_VALUE },
  { at: 2 ** 64 - 2048, length: 4096 },
])('[$at, +$length) is refused by all that take it', ({ at, length }) => {
  using arena = new Arena(SIZE);
  expect(() => arena.address(at, length)).toThrow(misused);
  expect(() => arena.discard(at, length)).toThrow(misused);
  expect(() => arena.putVector(0, 0, at, length)).toThrow(misused);
});

test.each([-16, -1, SIZE - 15, SIZE, Number.NaN])('a vector at %d is refused', (at) => {
  using arena = new Arena(SIZE);
  expect(() => arena.putVector(at, 0, 0, 1)).toThrow(misused);
  expect(arena.bytes.every((byte) => byte === 0)).toBe(true);
});

test('a vector is an address and a length, of 64 bits each', () => {
  using arena = new Arena(SIZE);
  arena.bytes.fill(0xff, 64, 64 + 3 * IOVEC.size);
  arena.putVector(64, 1, 4096, 77);
  expect(arena.view.getBigUint64(64 + IOVEC.size, true)).toBe(BigInt(arena.address(4096, 77)));
  expect(arena.view.getBigUint64(64 + IOVEC.size + IOVEC.length, true)).toBe(77n);
  expect(arena.view.getBigUint64(64 + 2 * IOVEC.size, true)).toBe(2n ** 64n - 1n);
});

test('bytes and view are the same memory, and begin as zeros', () => {
  using arena = new Arena(SIZE);
  expect(arena.bytes.every((byte) => byte === 0)).toBe(true);
  arena.view.setUint16(SIZE - 2, 0x1234);
  expect([...arena.bytes.subarray(SIZE - 2)]).toEqual([0x12, 0x34]);
});

test.each([0, -4096, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('no arena of %d bytes', (size) => {
  expect(() => new Arena(size)).toThrow(refused('REACTOR_INVALID_ARGUMENT'));
});

test('a range that cannot be mapped is a typed error', () => {
  expect(() => new Arena(2 ** 47)).toThrow(refused('REACTOR_MEMORY_EXHAUSTED'));
});

test('what is reserved does not overlap, is aligned, and ends with the arena', () => {
  using arena = new Arena(SIZE);
  expect(arena.reserve(1)).toBe(0);
  expect(arena.reserve(3)).toBe(64);
  expect(arena.reserve(16_384, 16_384)).toBe(16_384);
  expect(arena.free).toBe(SIZE - 32_768);
  expect(() => arena.reserve(SIZE)).toThrow(refused('REACTOR_MEMORY_EXHAUSTED'));
  expect(arena.reserve(arena.free)).toBe(32_768);
  expect(() => arena.reserve(1)).toThrow(refused('REACTOR_MEMORY_EXHAUSTED'));
});

test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('reserve(%d) is refused and changes nothing', (length) => {
  using arena = new Arena(SIZE);
  expect(() => arena.reserve(length)).toThrow(refused('REACTOR_INVALID_ARGUMENT'));
  expect(arena.free).toBe(SIZE);
});

test('only touched pages are resident, also where the system likes huge ones', () => {
  using arena = new Arena(1024 * PAGE);
  expect(residentPages(arena)).toBe(0);
  arena.bytes[600 * PAGE] = 1;
  expect(residentPages(arena)).toBe(1);
  expect(mappingFlags(arena.address(0, 0))).toContain('nh');
});

test('discard gives whole pages back, and nothing of the pages at the ends', () => {
  using arena = new Arena(8 * PAGE);
  arena.bytes.fill(7);
  expect(residentPages(arena)).toBe(8);
  arena.discard(PAGE + 1, 3 * PAGE);
  expect(residentPages(arena)).toBe(6);
  expect(arena.bytes.indexOf(0)).toBe(2 * PAGE);
  expect(arena.bytes.subarray(4 * PAGE).every((byte) => byte === 7)).toBe(true);
  arena.discard(5 * PAGE, PAGE - 1);
  arena.discard(6 * PAGE + 1, PAGE);
  arena.discard(7 * PAGE, 0);
  expect(arena.bytes.subarray(4 * PAGE).every((byte) => byte === 7)).toBe(true);
});

test('a closed arena gives its pages back, refuses addresses, and reads as zeros', () => {
  const arena = new Arena(8 * PAGE);
  arena.bytes.fill(7);
  const large = new Arena(8192 * PAGE);
  large.bytes.fill(7);
  const before = residentPagesOfProcess();
  large.close();
  expect(before - residentPagesOfProcess()).toBeGreaterThan(8192 / 2);
  arena.close();
  arena.close();
  expect(() => arena.address(0, 1)).toThrow(refused('REACTOR_CLOSED'));
  expect(() => arena.putVector(0, 0, 0, 1)).toThrow(refused('REACTOR_CLOSED'));
  arena.discard(0, PAGE);
  expect(arena.bytes.length).toBe(8 * PAGE);
  expect(arena.bytes.every((byte) => byte === 0)).toBe(true);
});
