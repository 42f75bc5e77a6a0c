import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listFiles, readInput, writeFile } from './files.ts';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ambient-policy-'));
  for (const name of ['deep/er', 'empty', '.git']) mkdirSync(join(folder, name), { recursive: true });
  for (const name of ['b.yaml', 'a.yml', 'deep/c.json', 'deep/er/d.yaml', 'README.md', '.hidden.yaml', '.git/e.yaml'])
    writeFileSync(join(folder, name), `of ${name}`);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

test('a folder is its YAML and JSON files, sorted, without hidden ones; anything else is itself', async () => {
  const inside = (names: readonly string[]) => names.map((name) => join(folder, name));
  expect(await listFiles(folder)).toEqual(inside(['a.yml', 'b.yaml', 'deep/c.json', 'deep/er/d.yaml']));
  expect(await listFiles(join(folder, 'README.md'))).toEqual(inside(['README.md']));
  expect(await listFiles('-')).toEqual(['-']);
});

test('files and standard input are read, up to a limit', async () => {
  const file = join(folder, 'b.yaml');
  expect(await readInput(file, process.stdin)).toBe('of b.yaml');
  expect(await readInput('-', Readable.from([Buffer.from('ü').subarray(0, 1), Buffer.from('ü').subarray(1)]))).toBe(
    'ü',
  );
  await expect(readInput(file, process.stdin, 8)).rejects.toThrow(/^cannot read .*b\.yaml: more than 8 bytes$/);
  await expect(readInput('-', Readable.from(['123456789']), 8)).rejects.toThrow(
    /^cannot read standard input: more than 8/,
  );
});

test('a file is written over', async () => {
  const file = join(folder, 'out.xml');
  await writeFile(file, 'long before');
  await writeFile(file, 'after');
  expect(readFileSync(file, 'utf8')).toBe('after');
});

test.each([
  { what: 'a folder as input', run: () => readInput(folder, process.stdin) },
  { what: 'no file', run: () => readInput(join(folder, 'none'), process.stdin) },
  { what: 'no file to list', run: () => listFiles(join(folder, 'none')) },
  { what: 'a folder without files', run: () => listFiles(join(folder, 'empty')) },
  { what: 'a folder to write', run: () => writeFile(folder, '') },
])('$what is refused', async ({ run }) => {
  await expect(run()).rejects.toMatchObject({ code: 'POLICY_COMMAND_INVALID' });
});
