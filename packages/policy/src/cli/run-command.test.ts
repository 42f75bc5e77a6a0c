import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runForTest } from '../testing/run-for-test.ts';
import { COMMANDS } from './commands.ts';

const MAIN = new URL('../main.ts', import.meta.url).href;
const SLOW = { timeout: 30_000 };

test('help and version', async () => {
  expect(await runForTest(['--version'])).toMatchObject({ code: 0, output: '1.2.3\n', error: '' });
  for (const args of [['--help'], ['-h'], ['help']]) {
    const { code, output } = await runForTest(args);
    expect(code).toBe(0);
    expect(output).toMatch(/^usage: ambient-policy COMMAND[^]*\nnpx @ambientmesh\/policy COMMAND/);
    for (const { usage } of COMMANDS.values()) expect(output).toContain(`\n  ${usage} `);
  }
});

test.each([...COMMANDS.keys()])('help %s, in lines that fit', async (name) => {
  const { code, output, error } = await runForTest(['help', name]);
  expect({ code, error }).toEqual({ code: 0, error: '' });
  expect(output).toMatch(new RegExp(`^usage: ambient-policy ${name} [^]*\n$`));
  expect(Math.max(...output.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  for (const option of ['--help', '-h'])
    expect(await runForTest([name, option])).toMatchObject({ code, output, error });
});

test.each([
  { args: [], says: 'want a command' },
  { args: ['toString'], says: '"toString" is no command' },
  { args: ['help', 'me'], says: 'want help' },
  { args: ['help', 'check', 'me'], says: 'want help' },
  ...[...COMMANDS.keys()].flatMap((name) => [
    { args: [name], says: name },
    { args: [name, '--nosuch'], says: '--nosuch' },
    { args: [name, '-', '-x'], says: '-x' },
    { args: [name, 'nowhere'], says: '' },
  ]),
])('an error is 2 and one line: $args', async ({ args, says }) => {
  const { code, output, error } = await runForTest(args);
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(error).toMatch(/^ambient-policy: [^\n]+\n$/);
  expect(error).toContain(says);
});

/** The sources, for what is built may be old. */
const SCRIPT = `import(${JSON.stringify(MAIN)}).then(({ main }) => main())`;
const NODE_ARGS = ['--disable-warning=ExperimentalWarning', '-e', SCRIPT, 'ambient-policy'];

test('as a process: output, errors, exit codes', SLOW, () => {
  const options = { encoding: 'utf8' } as const;
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
  expect(execFileSync(process.execPath, [...NODE_ARGS, '--version'], options)).toBe(`${version}\n`);
  const missing = spawnSync(process.execPath, [...NODE_ARGS, 'check', 'no-such-file'], options);
  expect(missing).toMatchObject({ status: 2, stdout: '' });
  expect(missing.stderr).toMatch(/^ambient-policy: cannot read no-such-file: ENOENT[^\n]*\n$/);
});

test('a reader that goes away, as head does, is no failure', SLOW, async () => {
  const child = spawn(process.execPath, [...NODE_ARGS, 'convert', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let error = '';
  child.stdin.on('error', () => {});
  child.stderr.on('data', (chunk) => (error += chunk));
  child.stdout.once('data', () => child.stdout.destroy());
  const rules = Array.from({ length: 1_500 }, (_, index) => `{from: [{source: {ipBlocks: [10.0.0.${index % 250}]}}]}`);
  child.stdin.end(
    `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: a, namespace: b}, spec: {rules: [${rules.join(', ')}]}}\n`,
  );
  const [code] = await once(child, 'close');
  expect({ code, error }).toEqual({ code: 0, error: '' });
});
