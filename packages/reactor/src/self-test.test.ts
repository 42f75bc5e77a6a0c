import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { selfTest } from '@ambientmesh/reactor';
import { expect, test } from 'vitest';
import { ReactorError } from './errors.ts';
import { runSelfTest, type SelfTestStep } from './self-test.ts';

/** Keys are made and handshakes done: half a second a time on a busy machine. */
const PATIENCE = { timeout: 30_000 };
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

test.each(['own', 'openssl'] as const)('passes here with records: %s', PATIENCE, (records) => {
  expect(() => selfTest({ records })).not.toThrow();
});

test('passes here, again and again, and leaves nothing open', PATIENCE, () => {
  selfTest();
  const before = openDescriptors();
  for (let time = 0; time < 2; time++) selfTest();
  expect(openDescriptors()).toBe(before);
});

test('a step that fails is named, with what it said; what it opened is closed', PATIENCE, () => {
  selfTest();
  const before = openDescriptors();
  const cause = new ReactorError('REACTOR_SYSTEM_CALL', 'pipe2: EMFILE');
  const ran: string[] = [];
  const steps: readonly SelfTestStep[] = [
    { name: 'first', run: () => void ran.push('first') },
    {
      name: 'second',
      run: ({ loopback, opened }) => {
        for (const descriptor of loopback.pipe()) opened.add(descriptor);
        throw cause;
      },
    },
    { name: 'third', run: () => void ran.push('third') },
  ];
  expect(() => runSelfTest(steps)).toThrow(
    expect.objectContaining({
      name: 'ReactorError',
      code: 'REACTOR_SELF_TEST',
      operation: 'second',
      message: 'self-test, second: pipe2: EMFILE',
      cause,
    }),
  );
  expect(ran).toEqual(['first']);
  expect(openDescriptors()).toBe(before);
});

const SCRIPT = `
import { selfTest } from 'SELF_TEST';
import { parentPort } from 'node:worker_threads';
selfTest();
parentPort.postMessage('passed');
`;

test('passes on a thread of its own', PATIENCE, async () => {
  const script = SCRIPT.replace('SELF_TEST', new URL('./self-test.ts', import.meta.url).href);
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
    execArgv: ['--conditions=@ambientmesh/source'],
  });
  const exited = once(worker, 'exit');
  expect(await once(worker, 'message')).toEqual(['passed']);
  expect(await exited).toEqual([0]);
});

const IMPORTS = `
import { createRequire } from 'node:module';
import { selfTest } from 'SELF_TEST';
const { cache } = createRequire('SELF_TEST');
const loaded = () => Object.keys(cache).some((file) => file.includes('/koffi/'));
const before = loaded();
selfTest();
process.stdout.write(JSON.stringify({ before, after: loaded() }));
`;

test('nothing native is loaded before it is used', PATIENCE, () => {
  const script = IMPORTS.replaceAll('SELF_TEST', new URL('./self-test.ts', import.meta.url).href);
  const flags = ['--conditions=@ambientmesh/source', '--input-type=module', '-e', script];
  expect(JSON.parse(execFileSync(process.execPath, flags, { encoding: 'utf8' }))).toEqual({
    before: false,
    after: true,
  });
});
