import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { addWaiting, createLogBacklog, droppedLines, endWaiting, MAX_BACKLOG_CHARS } from './log-backlog.ts';
import { LogWriter } from './log-writer.ts';
import { defaultFilter, LogRoot } from './logger.ts';

/** A pipe with both its ends, of which the reader's does not wait. */
function openPipe() {
  const folder = mkdtempSync(join(tmpdir(), 'log-'));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const writer = openSync(path, 'r+');
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  onTestFinished(() => {
    closeSync(reader);
    closeSync(writer);
    rmSync(folder, { recursive: true });
  });
  return { writer, reader };
}

/** What the pipe holds now. */
function readNow(reader: number): string {
  const bytes = Buffer.alloc(65_536);
  try {
    return bytes.toString('latin1', 0, readSync(reader, bytes));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return '';
    throw error;
  }
}

test('nobody reads: own lines beyond the limit are dropped and told of; those of a data thread are not its concern', async () => {
  const { writer, reader } = openPipe();
  const root = new LogRoot({ format: 'json', filter: defaultFilter(), sink: new LogWriter(writer) });
  const logger = root.logger('app');
  const lines = 10_000;
  for (let n = 0; n < lines; n++) logger.info([['n', n]], 'x'.repeat(1000));
  await turn();
  const dropped = droppedLines(root.backlog);
  expect(dropped).toBeGreaterThan(lines - MAX_BACKLOG_CHARS / 1000);
  const ofThread = createLogBacklog();
  addWaiting(ofThread, 2000);
  root.writeLines(`${'t'.repeat(1999)}\n`, () => endWaiting(ofThread, 2000));
  let text = '';
  let flushed = false;
  const flushing = root.flush().then(() => (flushed = true));
  await vi.waitFor(
    () => {
      text += readNow(reader);
      expect(flushed).toBe(true);
    },
    { timeout: 20_000, interval: 1 },
  );
  await flushing;
  text += readNow(reader);
  const read = text.split('\n').slice(0, -1);
  expect(read.filter((line) => line.startsWith('t'))).toHaveLength(1);
  const own = read.filter((line) => line.startsWith('{')).map((line): unknown => JSON.parse(line));
  expect(own).toHaveLength(lines - dropped + 1);
  const notice = { level: 'warn', scope: 'ztunnel::log' };
  expect(own.filter((line) => JSON.stringify(line).includes('were dropped'))).toMatchObject([
    { ...notice, message: `${dropped} log lines were dropped: nobody read them in time` },
  ]);
  expect([root.backlog[0], ofThread[0]]).toEqual([0, 0]);
});
