import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runForTest } from '../testing/run-for-test.ts';
import { COMMANDS } from './commands.ts';

const README = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const PROMPT = '$ npx @ambientmesh/policy ';
const blocks = (language: string): string[] =>
  [...README.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm'))].map((found) => found[1] ?? '');

/** YAML begins with a comment that names its file; a log has none, so that there it is not part of the file. */
const FILES = Object.fromEntries([
  ...blocks('yaml').map((text) => [/^# (\S+)\n/.exec(text)?.[1] ?? '', text]),
  ...blocks('text').map((text) => [/^# (\S+)\n/.exec(text)?.[1] ?? '', text.replace(/^.*\n/, '')]),
]);

/** Runs one line as a shell would that knows quotes only. */
async function runLine(line: string): Promise<string> {
  const args = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((found) => found[1] ?? found[2] ?? '');
  const { terminal } = await runForTest(args, FILES);
  return terminal;
}

test('what the README shows is what the command prints', async () => {
  const shown = blocks('console');
  for (const block of shown) {
    let printed = '';
    for (const line of block.split('\n').filter((text) => text.startsWith(PROMPT)))
      printed += `${line}\n${await runLine(line.slice(PROMPT.length))}`;
    expect(printed).toBe(block);
  }
  for (const name of COMMANDS.keys()) expect(shown.join('')).toContain(`${PROMPT}${name} `);
});
