import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const folder = join(import.meta.dirname, '..');
const examples = [...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/```ts(?: root)?\n(.*?)```/gs)].map(
  ([, code = '']) => code,
);

/** As a user runs it, except that the package is the one in this folder. */
const run = (code: string): string =>
  execFileSync(
    process.execPath,
    ['--conditions=@ambientmesh/source', '--input-type=module-typescript', '--eval', code],
    { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 },
  );

test('README: a server listens in another namespace, in ten lines', () => {
  const example = examples.find((code) => code.includes('listenIn('));
  expect(example?.split('\n').filter((line) => line !== '')).toHaveLength(10 - 1);
  expect(run(example ?? '')).toBe('hello from another namespace\n');
});

test('README: descriptors for those who have their own event loop', () => {
  const example = examples.find((code) => code.includes('openTcp('));
  expect(run(example ?? '')).toBe('{ transparent: true }\ncaught\n');
});

test('README: a namespace is made, wired up and given a name', () => {
  const example = examples.find((code) => code.includes('addLink('));
  expect(run(example ?? '')).toMatch(/via: '10.0.0.1'/);
});

test('README: the first example prints what is possible, and the packet', () => {
  const output = run(examples[0] ?? '');
  expect(output).toContain('setns: { supported: true }');
  expect(output).toMatch(/fds: \[ \d+ \]/);
});
