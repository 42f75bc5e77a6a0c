import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { ReactorError } from '../errors.ts';

/** A C function by FFI. Integers and addresses are numbers: user space ends at 2^47, far below 2^53. */
export type ForeignFunction = (...values: readonly number[]) => number;

/** What the process has loaded already: the C library, and the OpenSSL inside of the node binary. */
export interface ForeignLibrary {
  readonly koffi: typeof Koffi;
  /** @throws {ReactorError} `REACTOR_UNSUPPORTED` if there is no such function. */
  find(name: string, result: string, parameters: readonly string[]): ForeignFunction;
}

let loaded: ForeignLibrary | undefined;

/**
 * Loaded at the first call, so that the package imports everywhere.
 * @throws {ReactorError} `REACTOR_UNSUPPORTED` on another system than 64-bit Linux, or without koffi's binary.
 */
export function foreignLibrary(): ForeignLibrary {
  loaded ??= load();
  return loaded;
}

function load(): ForeignLibrary {
  if (process.platform !== 'linux')
    throw new ReactorError(
      'REACTOR_UNSUPPORTED',
      `epoll needs Linux, this is ${process.platform} (use another engine)`,
    );
  if (process.arch !== 'x64' && process.arch !== 'arm64')
    throw new ReactorError(
      'REACTOR_UNSUPPORTED',
      `system call layouts are known for x64 and arm64, this is ${process.arch} (use another engine)`,
    );
  const koffi = requireKoffi();
  const library = koffi.load(null);
  return {
    koffi,
    find: (name, result, parameters) => {
      try {
        return library.func(name, result, [...parameters]);
      } catch (cause) {
        throw new ReactorError('REACTOR_UNSUPPORTED', `this node binary does not export ${name} (use another engine)`, {
          cause,
        });
      }
    },
  };
}

function requireKoffi(): typeof Koffi {
  try {
    return createRequire(import.meta.url)('koffi');
  } catch (cause) {
    throw new ReactorError(
      'REACTOR_UNSUPPORTED',
      'koffi cannot be loaded (is its binary for this platform installed?)',
      { cause },
    );
  }
}
