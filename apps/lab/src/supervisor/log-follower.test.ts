import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readLog } from './log-follower.ts';

const never = new AbortController().signal;
/** More than is read at once. */
const LONG = 'x'.repeat(100_000);

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lab-log-'));
  path = join(folder, 'x.log');
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each([
  { log: '', lines: 3, read: '' },
  { log: '\n', lines: 1, read: '\n' },
  { log: 'a\nb\nc\n', lines: undefined, read: 'a\nb\nc\n' },
  { log: 'a\nb\nc\n', lines: 0, read: '' },
  { log: 'a\nb\nc\n', lines: 1, read: 'c\n' },
  { log: 'a\nb\nc\n', lines: 2, read: 'b\nc\n' },
  { log: 'a\nb\nc\n', lines: 3, read: 'a\nb\nc\n' },
  { log: 'a\nb\nc\n', lines: 9, read: 'a\nb\nc\n' },
  { log: 'a\nb\nunfinished', lines: 2, read: 'b\nunfinished' },
  { log: '\n\n\n', lines: 2, read: '\n\n' },
])('of the log $log the last $lines lines are $read', async ({ log, lines, read }) => {
  writeFileSync(path, log);
  expect(await readToEnd(lines)).toBe(read);
});

test.each([1, 2, 3, 4])(
  'the last %i lines are found in a log that is longer than what is read at once',
  async (lines) => {
    const all = ['first', LONG, LONG, 'last'];
    writeFileSync(path, `${all.join('\n')}\n`);
    expect(await readToEnd(lines)).toBe(`${all.slice(-lines).join('\n')}\n`);
  },
);

test('a log that is followed begins with its last lines and goes on with what is added', async () => {
  writeFileSync(path, 'a\nb\nunfin');
  const gone = new AbortController();
  const texts = readLog(path, { follow: true, lines: 2, signal: gone.signal });
  expect(await texts.next()).toEqual({ done: false, value: 'b\n' });
  const next = texts.next();
  appendFileSync(path, 'ished\n');
  expect(await next).toEqual({ done: false, value: 'unfinished\n' });
  const end = texts.next();
  gone.abort();
  expect(await end).toEqual({ done: true, value: undefined });
});

async function readToEnd(lines: number | undefined): Promise<string> {
  let text = '';
  for await (const piece of readLog(path, { follow: false, lines, signal: never })) text += piece;
  return text;
}
