import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { ReactorError } from '../errors.ts';
import { type EpollEventLayout, epollEventLayout } from './kernel-layout.ts';

/** A C function by FFI. Integers and addresses are numbers: user space ends at 2^47, far below 2^53. */
export type ForeignFunction = (...values: readonly number[]) => number;

/** What the process has loaded already: the C library, and the OpenSSL inside of the node binary. */
export interface ForeignLibrary {
  readonly koffi: typeof Koffi;
  /** Of this architecture. */
  readonly epollEvent: EpollEventLayout;
  /** @throws {ReactorError} `REACTOR_UNSUPPORTED` if there is no such function. */
  find(name: string, result: string, parameters: readonly string[]): ForeignFunction;
}

/** Where the library is loaded; tests have others. */
export interface Host {
  /** As `process.platform` and `process.arch` name them. */
  readonly platform: string;
  readonly architecture: string;
  /** Throws what `require` throws. */
  requireKoffi(): typeof Koffi;
}

const THIS_HOST: Host = {
  platform: process.platform,
  architecture: process.arch,
  requireKoffi: () => createRequire(import.meta.url)('koffi'),
};

let loaded: ForeignLibrary | undefined;

/**
 * Loaded at the first call, so that the package imports everywhere.
 * @throws {ReactorError} `REACTOR_UNSUPPORTED` on another system than 64-bit Linux, or without koffi's binary.
 */
export function foreignLibrary(): ForeignLibrary {
  loaded ??= loadForeignLibrary(THIS_HOST);
  return loaded;
}

/** As `foreignLibrary`, of a given host and anew. @throws {ReactorError} `REACTOR_UNSUPPORTED` */
export function loadForeignLibrary(host: Host): ForeignLibrary {
  if (host.platform !== 'linux') throw unsupported(`epoll needs Linux, this is ${host.platform}`);
  const epollEvent = epollEventLayout(host.architecture);
  if (epollEvent === undefined)
    throw unsupported(`system call layouts are known for x64 and arm64, this is ${host.architecture}`);
  const { koffi, library } = loadProcess(host);
  return {
    koffi,
    epollEvent,
    find: (name, result, parameters) => {
      try {
        return library.func(name, result, [...parameters]);
      } catch (cause) {
        throw unsupported(`this node binary has no function ${name}`, { operation: name, cause });
      }
    },
  };
}

function loadProcess(host: Host): { readonly koffi: typeof Koffi; readonly library: Koffi.LibraryHandle } {
  try {
    const koffi = host.requireKoffi();
    return { koffi, library: koffi.load(null) };
  } catch (cause) {
    throw unsupported('koffi cannot be loaded, is its binary for this platform installed?', { cause });
  }
}

function unsupported(what: string, details: { readonly operation?: string; readonly cause?: unknown } = {}) {
  return new ReactorError('REACTOR_UNSUPPORTED', what, details);
}
