import { expect, test } from 'vitest';
import { Arena } from '../memory/arena.ts';
import { foreignLibrary, type Host, loadForeignLibrary } from './foreign-library.ts';
import { SystemCalls } from './system-calls.ts';

const notToBeCalled = (): never => {
  throw new Error('was called');
};

const HOST: Host = { platform: 'linux', architecture: 'x64', requireKoffi: () => foreignLibrary().koffi };

test.each([
  { where: 'another system', host: { platform: 'darwin' }, says: /needs Linux, this is darwin$/ },
  { where: 'another architecture', host: { architecture: 'riscv64' }, says: /x64 and arm64, this is riscv64/ },
  { where: '32 bits', host: { architecture: 'arm' }, says: /x64 and arm64, this is arm/ },
])('$where is refused with a typed error, before koffi is loaded', ({ host, says }) => {
  expect(() => loadForeignLibrary({ ...HOST, requireKoffi: notToBeCalled, ...host })).toThrow(
    expect.objectContaining({
      name: 'ReactorError',
      code: 'REACTOR_UNSUPPORTED',
      message: expect.stringMatching(says),
    }),
  );
});

test('without koffi it says so, and why', () => {
  const cause = new Error("Cannot find module 'koffi'");
  const requireKoffi = (): never => {
    throw cause;
  };
  expect(() => loadForeignLibrary({ ...HOST, requireKoffi })).toThrow(
    expect.objectContaining({ code: 'REACTOR_UNSUPPORTED', cause }),
  );
});

test('a function that the process does not have is named', () => {
  const library = loadForeignLibrary(HOST);
  expect(library.find('getpid', 'int', [])()).toBe(process.pid);
  expect(() => library.find('SSL_of_another_library', 'int', [])).toThrow(
    expect.objectContaining({
      code: 'REACTOR_UNSUPPORTED',
      operation: 'SSL_of_another_library',
      message: 'this node binary has no function SSL_of_another_library',
    }),
  );
});

test('the layouts are those of the architecture', () => {
  expect(loadForeignLibrary(HOST).epollEvent.size).toBe(12);
  expect(loadForeignLibrary({ ...HOST, architecture: 'arm64' }).epollEvent.size).toBe(16);
});

test('system calls without one of their functions are refused', () => {
  const library = loadForeignLibrary(HOST);
  const find = (name: string, result: string, parameters: readonly string[]) =>
    library.find(name === 'accept4' ? 'accept4_of_a_later_kernel' : name, result, parameters);
  using arena = new Arena(65_536);
  expect(() => new SystemCalls(arena, { ...library, find })).toThrow(
    expect.objectContaining({ code: 'REACTOR_UNSUPPORTED', operation: 'accept4_of_a_later_kernel' }),
  );
});
