import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LogWriter } from './log-writer.ts';

function withFile<T>(use: (fd: number, path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'log-'));
  const path = join(folder, 'log');
  const fd = openSync(path, 'a');
  return use(fd, path).finally(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
}

test('every line arrives, in order, also long ones and big batches', async () => {
  await withFile(async (fd, path) => {
    const writer = new LogWriter(fd);
    const lines: string[] = [];
    for (let n = 0; n < 3000; n++) lines.push(`${n} ${'x'.repeat(n % 97 === 0 ? 6000 : n % 50)}\n`);
    for (const line of lines.slice(0, 1000)) writer.write(line);
    await writer.flush();
    writer.write(lines.slice(1000).join(''));
    await writer.flush();
    expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
  });
});

test('texts are taken in order, each once, and given up where the descriptor is closed', async () => {
  await withFile(async (fd) => {
    const writer = new LogWriter(fd);
    const taken: number[] = [];
    for (let n = 0; n < 100; n++) writer.write(`${'y'.repeat(999)}\n`.repeat(n), () => taken.push(n));
    expect(taken).toEqual([0]);
    await writer.flush();
    expect(taken).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });
  const lost = new LogWriter(1_000_000);
  const taken: number[] = [];
  for (let n = 0; n < 3; n++) lost.write('lost\n'.repeat(1000), () => taken.push(n));
  await lost.flush();
  lost.write('lost\n', () => taken.push(3));
  expect(taken).toEqual([0, 1, 2, 3]);
});

test('a text without newline at its end is written as well', async () => {
  await withFile(async (fd, path) => {
    const writer = new LogWriter(fd);
    writer.write('z'.repeat(10_000));
    await writer.flush();
    expect(readFileSync(path, 'utf8').length).toBe(10_000);
  });
});

test('a closed descriptor is no error', async () => {
  const writer = new LogWriter(1_000_000);
  writer.write('lost\n');
  await writer.flush();
  writer.write('lost\n');
  await expect(writer.flush()).resolves.toBeUndefined();
});
