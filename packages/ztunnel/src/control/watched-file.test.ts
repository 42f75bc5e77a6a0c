import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { soon } from '../data-plane/testing/soon.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { WatchedFile } from './watched-file.ts';

const undos: (() => void)[] = [];
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

function world(content?: string) {
  const directory = mkdtempSync(join(tmpdir(), 'watched-'));
  undos.push(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'file');
  if (content !== undefined) writeFileSync(path, content);
  const clock = new ManualClock();
  const told: string[] = [];
  const file = watchedAt(path, clock, told);
  const other = join(directory, 'other');
  const rename = (text: string): void => {
    writeFileSync(other, text);
    renameSync(other, path);
  };
  return { path, other, clock, told, file, rename };
}

function watchedAt(path: string, clock: ManualClock, told: string[]): WatchedFile {
  const file = new WatchedFile({
    path,
    clock,
    restMs: 100,
    maxRestMs: 1000,
    changed: (bytes) => void told.push(bytes.toString()),
    gone: () => void told.push('(gone)'),
  });
  undos.push(() => file.close());
  return file;
}

test('each content is told once, however often its directory changes', async () => {
  const { other, clock, told, file, rename } = world('one');
  await file.start();
  writeFileSync(other, '');
  await clock.elapse(100);
  rename('one');
  await clock.elapse(100);
  rename('two');
  await clock.elapse(100);
  await soon(() => expect(told).toEqual(['one', 'two']));
});

test('a file that comes back is told again, even if it is the same; until then it is looked for', async () => {
  const { path, clock, told, file, rename } = world('one');
  await file.start();
  unlinkSync(path);
  await clock.elapse(100);
  await clock.elapse(5000);
  await clock.elapse(5000);
  expect(told).toEqual(['one', '(gone)']);
  rename('one');
  await clock.elapse(100);
  await soon(() => expect(told).toEqual(['one', '(gone)', 'one']));
});

test('written in place, too', async () => {
  const { path, clock, told, file } = world('one');
  await file.start();
  writeFileSync(path, 'two');
  await clock.elapse(100);
  await soon(() => expect(told).toEqual(['one', 'two']));
});

test('who fails to take a content gets the next one', async () => {
  const { path, clock, rename } = world('one');
  const told: string[] = [];
  const file = new WatchedFile({
    path,
    clock,
    restMs: 100,
    maxRestMs: 1000,
    changed: (bytes) => {
      told.push(bytes.toString());
      return told.length < 3 ? Promise.reject(new Error('no')) : undefined;
    },
    gone: () => undefined,
  });
  undos.push(() => file.close());
  await expect(file.start()).rejects.toThrow('no');
  for (const text of ['two', 'three']) {
    rename(text);
    await clock.elapse(100);
    await soon(() => expect(told.at(-1)).toBe(text));
  }
});

test('closed: nothing is told, not even of a reading under way', async () => {
  const { clock, told, file } = world('one');
  const started = file.start();
  file.close();
  await started;
  expect([told, clock.timers.size]).toEqual([[], 0]);
});

test('a directory removed and made again is watched, even if it gets the number of the old one', async () => {
  const { path, clock, told, file } = world('one');
  const directory = dirname(path);
  await file.start();
  // Which number it gets is up to the file system: of a few tries some reuse it where any do.
  for (let i = 0; i < 4; i++) {
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
    writeFileSync(path, `again ${i}`);
    await settle(clock, () => told.at(-1) === `again ${i}`);
    writeFileSync(path, `later ${i}`);
    await settle(clock, () => told.at(-1) === `later ${i}`);
  }
  expect(told).toHaveLength(9);
});

/** Lets the file come to rest, with all that the kernel tells of one change, until it is told of. */
async function settle(clock: ManualClock, told: () => boolean): Promise<void> {
  await clock.elapse(100);
  for (let turns = 0; turns < 50 || !told(); turns++) {
    await new Promise(setImmediate);
    if ([...clock.timers].some(({ delayMs }) => delayMs === 100)) {
      await clock.elapse(100);
      turns = 0;
    }
  }
}

test('a link above the file that leads elsewhere is noticed within seconds, and what it leads to is watched', async () => {
  const { clock, told, path } = world();
  const base = dirname(path);
  for (const version of ['v1', 'v2']) {
    mkdirSync(join(base, version));
    writeFileSync(join(base, version, 'file'), version);
  }
  symlinkSync('v1', join(base, 'cur'));
  const file = watchedAt(join(base, 'cur', 'file'), clock, told);
  await file.start();
  symlinkSync('v2', join(base, 'cur.new'));
  renameSync(join(base, 'cur.new'), join(base, 'cur'));
  await clock.elapse(5000);
  await clock.elapse(100);
  await soon(() => expect(told).toEqual(['v1', 'v2']));
  writeFileSync(join(base, 'v2', 'file'), 'v3');
  await clock.elapse(100);
  await soon(() => expect(told).toEqual(['v1', 'v2', 'v3']));
});

test('what a link leads to, in another directory, is noticed within seconds when it is written in place', async () => {
  const { clock, told, path } = world();
  const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'));
  undos.push(() => rmSync(elsewhere, { recursive: true }));
  writeFileSync(join(elsewhere, 'real'), 'one');
  symlinkSync(join(elsewhere, 'real'), path);
  const file = watchedAt(path, clock, told);
  await file.start();
  writeFileSync(join(elsewhere, 'real'), 'two');
  await clock.elapse(5000);
  await clock.elapse(100);
  await soon(() => expect(told).toEqual(['one', 'two']));
});

test('nothing is read while nothing changes', async () => {
  const { clock, told, file } = world('one');
  await file.start();
  for (let i = 0; i < 3; i++) await clock.elapse(5000);
  expect(told).toEqual(['one']);
});
