import { mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
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
  const file = new WatchedFile({
    path,
    clock,
    restMs: 100,
    maxRestMs: 1000,
    changed: (bytes) => void told.push(bytes.toString()),
    gone: () => void told.push('(gone)'),
  });
  undos.push(() => file.close());
  const other = join(directory, 'other');
  const rename = (text: string): void => {
    writeFileSync(other, text);
    renameSync(other, path);
  };
  return { path, other, clock, told, file, rename };
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
  await vi.waitFor(() => expect(told).toEqual(['one', 'two']));
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
  await vi.waitFor(() => expect(told).toEqual(['one', '(gone)', 'one']));
});

test('written in place, too', async () => {
  const { path, clock, told, file } = world('one');
  await file.start();
  writeFileSync(path, 'two');
  await clock.elapse(100);
  await vi.waitFor(() => expect(told).toEqual(['one', 'two']));
});

test('closed: nothing is told, not even of a reading under way', async () => {
  const { clock, told, file } = world('one');
  const started = file.start();
  file.close();
  await started;
  expect([told, clock.timers.size]).toEqual([[], 0]);
});
