import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCommand } from './run-command.ts';

const README = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const PROMPT = '$ npx @ambientmesh/iptables ';

/** Runs one line as a shell would that knows quotes and `>` only. */
async function runLine(line: string, files: Map<string, string>): Promise<string> {
  const [command = '', file] = line.split(' > ');
  const args = [...command.matchAll(/'([^']*)'|(\S+)/g)].map((found) => found[1] ?? found[2] ?? '');
  let output = '';
  await runCommand(args, {
    readInput: (path) => Promise.resolve(files.get(path) ?? ''),
    write: (text) => void (output += text),
    writeError: (text) => void (output += text),
    version: '',
  });
  if (file === undefined) return output;
  files.set(file, output);
  return '';
}

test('what the README shows is what the command prints', async () => {
  const files = new Map<string, string>();
  const blocks = [...README.matchAll(/```console\n([^]*?)```/g)].map((found) => found[1] ?? '');
  expect(blocks.length).toBeGreaterThanOrEqual(3);
  for (const block of blocks) {
    let printed = '';
    for (const line of block.split('\n').filter((text) => text.startsWith(PROMPT)))
      printed += `${line}\n${await runLine(line.slice(PROMPT.length), files)}`;
    expect(printed).toBe(block);
  }
});
