import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Reactor } from './reactor.ts';

const HERE = import.meta.url;

/** What a process prints as JSON that has no descriptors left but `spare`, and then makes a reactor. */
function makeReactorWith(spare: number): unknown {
  const script = `
    import { closeSync, openSync, readdirSync } from 'node:fs';
    import { Reactor } from ${JSON.stringify(new URL('./reactor.ts', HERE).href)};
    // Whatever is loaded at first use is loaded.
    new Reactor({ slabBytes: 16384 }).close();
    const held = [];
    const hold = () => {
      try {
        for (;;) held.push(openSync('/dev/null'));
      } catch (error) {
        if (error.code !== 'EMFILE') throw error;
      }
    };
    hold();
    const all = held.length;
    for (let left = ${spare}; left > 0; left--) closeSync(held.pop());
    const outcome = {};
    try {
      const reactor = new Reactor({ slabBytes: 16384 });
      reactor.turn(0);
      reactor.close();
      outcome.made = true;
    } catch ({ name, code, operation, errno, message }) {
      Object.assign(outcome, { name, code, operation, errno, message });
    }
    hold();
    outcome.leaked = all - held.length;
    process.stdout.write(JSON.stringify(outcome));
  `;
  const { stdout, stderr } = spawnSync(
    'sh',
    ['-c', 'ulimit -n 256 && exec "$@"', 'sh', process.execPath].concat([
      '--conditions=@ambientmesh/source',
      '--input-type=module',
      '-e',
      script,
    ]),
    { encoding: 'utf8', timeout: 30_000 },
  );
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

test.each([
  { spare: 0, operation: 'epoll_create1' },
  { spare: 1, operation: 'eventfd' },
])('with $spare descriptors left $operation is said to have failed, and nothing stays open', ({ spare, operation }) => {
  expect(makeReactorWith(spare)).toEqual({
    name: 'ReactorError',
    code: 'REACTOR_SYSTEM_CALL',
    operation,
    errno: 'EMFILE',
    message: `${operation}: EMFILE (raise the limit of open files)`,
    leaked: 0,
  });
});

test('two descriptors are enough, and are given back', () => {
  expect(makeReactorWith(2)).toEqual({ made: true, leaked: 0 });
});

test('an arena that cannot be mapped is a typed error, and opens nothing', () => {
  new Reactor({ slabBytes: 16_384 }).close();
  const before = readdirSync('/proc/self/fd').length;
  expect(() => new Reactor({ slabBytes: 2 ** 47 })).toThrow(
    expect.objectContaining({ name: 'ReactorError', code: 'REACTOR_MEMORY_EXHAUSTED' }),
  );
  expect(readdirSync('/proc/self/fd').length).toBe(before);
});

function residentPages(): number {
  return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[1]);
}

function makeAndClose(): void {
  const reactor = new Reactor({ slabBytes: 1_048_576 });
  reactor.arena.bytes.fill(1);
  reactor.turn(0);
  reactor.close();
}

test('sixty reactors leave no descriptor and no page', () => {
  makeAndClose();
  const before = { descriptors: readdirSync('/proc/self/fd').length, pages: residentPages() };
  for (let time = 0; time < 60; time++) makeAndClose();
  expect(readdirSync('/proc/self/fd').length).toBe(before.descriptors);
  // Of 5 MiB each, 315 MB in all; what the functions of each cost is garbage until it is collected.
  expect((residentPages() - before.pages) * 4096).toBeLessThan(150_000_000);
});
