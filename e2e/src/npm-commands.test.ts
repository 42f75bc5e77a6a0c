import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { descendantsOf, FreshClone, type Running, startCommand } from './lab/fresh-clone.ts';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
/** Says what npm says of a signal. Ends at the latest when the clone is removed. */
const NPM = `trap 'echo "npm error signal SIGINT" >&2; exit 1' INT TERM; report $$; while [ -e "$0" ]; do sleep 0.1; done`;
const STUBBORN_NPM = `trap '' INT TERM; report $$; while [ -e "$0" ]; do sleep 0.1; done`;
const PATIENCE = { timeout: 20_000, interval: 10 };

test.each([
  { tool: 'demo', signal: 'SIGINT', code: 130, npm: NPM },
  { tool: 'demo', signal: 'SIGTERM', code: 143, npm: NPM },
  { tool: 'demo', signal: 'SIGINT', code: 130, npm: STUBBORN_NPM },
  { tool: 'test', signal: 'SIGINT', code: 130, npm: NPM },
  { tool: 'bench', signal: 'SIGTERM', code: 143, npm: NPM },
] as const)('$signal while $tool installs ends npm and blames nothing', async ({ tool, signal, code, npm }) => {
  using clone = new FreshClone();
  clone.replaceNpm(npm);
  const { child, ended } = clone.start(process.execPath, `tools/${tool}.js`);
  await vi.waitUntil(() => clone.reported() !== '', PATIENCE);
  const group = descendantsOf(child.pid ?? 0);
  expect(group).toContain(Number(clone.reported()));
  child.kill(signal);
  expect(await ended).toEqual({
    code,
    signal: null,
    stdout: '',
    stderr: 'Setting up: dependencies and Node from the registry\ninterrupted\n',
  });
  expect(group.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
});

test('an installation that fails by itself is told with what npm said', async () => {
  using clone = new FreshClone();
  clone.replaceNpm('echo "npm error network" >&2; exit 1');
  const { code, stderr } = await clone.start(process.execPath, 'tools/demo.js').ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/failed\nnpm error network\nSETUP_FAILED: .*\n$/);
});

test.each([
  { signal: 'SIGINT', code: 130 },
  { signal: 'SIGTERM', code: 143 },
] as const)('$signal ends the tests and leaves nothing behind', async ({ signal, code }) => {
  using folder = new TemporaryFolder();
  const { child, said, ended } = startTests(folder, {});
  await vi.waitUntil(() => said.stdout.includes(' RUN '), PATIENCE);
  const started = descendantsOf(child.pid ?? 0);
  expect(started.length).toBeGreaterThan(0);
  child.kill(signal);
  const outcome = await ended;
  expect({ code: outcome.code, signal: outcome.signal }).toEqual({ code, signal: null });
  expect(outcome.stdout).not.toContain('need');
  expect(readdirSync(folder.path).filter((name) => name.startsWith('ambientmesh'))).toEqual([]);
  // Vitest's workers end when they see that it has.
  await vi.waitUntil(() => !started.some((pid) => existsSync(`/proc/${pid}`)), PATIENCE);
});

test('tests without a terminal print plain text, no file of theirs, and what needs root', async () => {
  using folder = new TemporaryFolder();
  const { code, stdout, stderr } = await startTests(folder, { CI: 'true', FORCE_COLOR: '1' }).ended;
  expect(code).toBe(0);
  expect(stdout + stderr).not.toContain('\u001b');
  expect(stdout).not.toContain(folder.path);
  expect(stdout).toMatch(/\nnone of these tests needs root\n[1-9]\d* passed, 0 failed\n$/);
});

test.each([
  { argv: ['--keep'], given: 'demo --keep' },
  { argv: ['--', '--keep', '--name', 'x'], given: 'demo --keep --name x' },
  { argv: ['--no-keep'], given: 'demo' },
])('npm run demo $argv starts the lab with: $given', async ({ argv, given }) => {
  using clone = new FreshClone();
  clone.install('shift 2; echo "given: $*"');
  const { code, stdout } = await clone.start('npm', 'run', 'demo', ...argv).ended;
  expect({ code, given: /^given: (.*)$/m.exec(stdout)?.[1] }).toEqual({ code: 0, given });
});

test.each([
  { argv: ['--name', 'x'], says: '--name for itself: npm run demo -- --name VALUE' },
  {
    argv: ['--name=x', '--ztunnel-env', 'A=1'],
    says: '--name, --ztunnel-env for itself: npm run demo -- --name VALUE --ztunnel-env VALUE',
  },
])('npm run demo $argv says how to give a value', async ({ argv, says }) => {
  using clone = new FreshClone();
  const { code, stderr } = await clone.start('npm', 'run', 'demo', ...argv).ended;
  expect(code).toBe(1);
  expect(stderr.split('\n')).toContain(`demo: LAB_ARGUMENT_INVALID: npm keeps ${says}`);
});

class TemporaryFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'npm-test-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

/** Some tests of one package, in an environment of their own: these tests are run by Vitest too. */
function startTests(folder: TemporaryFolder, environment: Readonly<Record<string, string>>): Running {
  const env = { PATH: process.env['PATH'], TMPDIR: folder.path, ...environment };
  return startCommand([process.execPath, 'tools/test.js', 'packages/policy/src/evaluation'], { cwd: REPOSITORY, env });
}
