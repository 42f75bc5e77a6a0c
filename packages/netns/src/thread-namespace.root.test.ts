import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Namespace, probe } from './index.ts';
import { CLONE_NEWNET } from './kernel-constants.ts';
import { native } from './native.ts';

const OWN = '/proc/thread-self/ns/net';
const MODULE = new URL('./index.ts', import.meta.url).href;
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

interface End {
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process of its own that runs `code`, a function's body that knows `pod`, `home()` and Node's modules. */
function runElsewhere(code: string): End {
  const script = `
    const { Namespace } = await import(${JSON.stringify(MODULE)});
    const { readlinkSync, readlink } = await import('node:fs');
    const crypto = await import('node:crypto');
    const vm = await import('node:vm');
    const own = readlinkSync(${JSON.stringify(OWN)});
    const isHome = () => readlinkSync(${JSON.stringify(OWN)}) === own;
    const pod = Namespace.create();
    ${code}`;
  const command = ['-c', 'ulimit -c 0; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script];
  return spawnSync('sh', command, { encoding: 'utf8' });
}

test('a stack that runs out, at whatever step of a run, never leaves the thread in the namespace', () => {
  for (let round = 0; round < 3; round += 1) {
    const { stdout, signal } = runElsewhere(`
      let [ran, refused] = [0, 0];
      function recurse() {
        try { pod.run(() => (ran += 1)); } catch (error) { if (error instanceof RangeError) refused += 1; }
        recurse();
      }
      try { recurse(); } catch {}
      const first = isHome();
      // Frames of different sizes, so that the end of the stack is met at other steps.
      const sized = (...rest) => { try { pod.run(() => (ran += 1)); } catch {} sized(...rest); };
      let always = true;
      for (let size = 0; size < 20; size += 1) {
        try { sized(...Array.from({ length: size }, () => 0)); } catch {}
        always &&= isHome();
      }
      console.log(JSON.stringify({ first, always, ran: ran > 0, refused: refused > 0 }));`);
    expect({ signal, ...JSON.parse(stdout) }).toEqual({
      signal: null,
      first: true,
      always: true,
      ran: true,
      refused: true,
    });
  }
}, 60_000);

test('a function that uses up the stack inside is left like any other that throws', () => {
  const { stdout } = runElsewhere(`
    const recurse = () => recurse() + 1;
    let error;
    try { pod.run(recurse); } catch (caught) { error = caught; }
    console.log(error instanceof RangeError, isHome());`);
  expect(stdout).toBe('true true\n');
});

test('the way back leads to where the thread was, whoever brought it there', () => {
  using home = Namespace.current();
  using first = Namespace.create();
  using second = Namespace.create();
  first.run(() => undefined);
  // As another copy of this package does.
  expect(native().setns(second.fd, CLONE_NEWNET)).toBe(0);
  try {
    first.run(() => undefined);
    expect(readlinkSync(OWN)).toBe(`net:[${second.id.inode}]`);
    Namespace.create().close();
    expect(readlinkSync(OWN)).toBe(`net:[${second.id.inode}]`);
  } finally {
    native().setns(home.fd, CLONE_NEWNET);
  }
});

test('neither run, create nor probe keeps a descriptor, in worker threads either', async () => {
  const pod = Namespace.create();
  pod.close();
  const before = openDescriptors();
  probe();
  expect(openDescriptors()).toBe(before);
  const code = `
    import(require('node:worker_threads').workerData).then(({ Namespace }) => {
      const made = Namespace.create();
      made.run(() => undefined);
      made.close();
    });`;
  for (let count = 0; count < 5; count += 1) await once(new Worker(code, { eval: true, workerData: MODULE }), 'exit');
  expect(openDescriptors()).toBe(before);
});

test('a namespace that is closed during its own run can be forgotten at once', () => {
  const pod = Namespace.create();
  const before = openDescriptors();
  pod.run(() => {
    pod.close();
    expect(readlinkSync(OWN)).toBe(`net:[${pod.id.inode}]`);
    // One less for the namespace, one more for the way back.
    expect(openDescriptors()).toBe(before);
  });
  expect(openDescriptors()).toBe(before - 1);
});

test('the thread pool stays at home, also if its first work is begun inside', () => {
  const { stdout } = runElsewhere(`
    pod.run(() => crypto.randomBytes(8, () => undefined));
    // The pool has four threads; each of these takes one in turn.
    const looks = Array.from({ length: 16 }, () => new Promise((resolve) =>
      readlink(${JSON.stringify(OWN)}, (_error, link) => resolve(link === own))));
    console.log((await Promise.all(looks)).every(Boolean));`);
  expect(stdout).toBe('true\n');
});

test('the process ends when a function was terminated inside, within a turn of the event loop', () => {
  const { signal, stdout, stderr } = runElsewhere(`
    globalThis.pod = pod;
    setInterval(() => console.log('went on'), 1_000);
    try { vm.runInThisContext('pod.run(() => { for (;;); })', { timeout: 20 }); } catch (error) { console.log(error.code); }`);
  expect({ signal, stdout }).toEqual({ signal: 'SIGABRT', stdout: 'ERR_SCRIPT_EXECUTION_TIMEOUT\n' });
  expect(stderr).toMatch(/^netns: a function in netns \d+ was terminated and never left it; ending the process/m);
});
