import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type * as Koffi from 'koffi';
import { NetnsError, type NetnsErrorCode } from './errors.ts';

/** Memory lent to a system call for its duration; read and written in place. */
type Bytes = Uint8Array | null;

/** The C library functions this package calls. All results are plain numbers; a failure is -1 and `errno()`. */
export interface Native {
  errno(): number;
  strerror(errno: number): string;
  /** Where the bytes are. Valid as long as `bytes` is referenced, if they are more than V8 keeps in its own heap (64), whence it moves them. */
  addressOf(bytes: Uint8Array): number;
  abort(): void;
  open(path: string, flags: number): number;
  close(fd: number): number;
  fcntl(fd: number, command: number, value: number): number;
  fcntlBytes(fd: number, command: number, value: Bytes): number;
  ioctl(fd: number, request: number, value: Bytes): number;
  setns(fd: number, kind: number): number;
  unshare(flags: number): number;
  mount(source: string, target: string, type: string | null, flags: number, data: string | null): number;
  umount2(target: string, flags: number): number;
  socket(family: number, type: number, protocol: number): number;
  socketpair(family: number, type: number, protocol: number, fds: Bytes): number;
  bind(fd: number, address: Bytes, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: Bytes, length: Bytes, flags: number): number;
  connect(fd: number, address: Bytes, length: number): number;
  getsockname(fd: number, address: Bytes, length: Bytes): number;
  getsockopt(fd: number, level: number, name: number, value: Bytes, length: Bytes): number;
  setsockopt(fd: number, level: number, name: number, value: Bytes, length: number): number;
  recv(fd: number, bytes: Bytes, length: number, flags: number): number;
  send(fd: number, bytes: Bytes, length: number, flags: number): number;
  recvmsg(fd: number, header: number, flags: number): number;
  sendmsg(fd: number, header: number, flags: number): number;
  poll(entries: Bytes, count: number, timeoutMs: number): number;
  inetPton(family: number, text: string, bytes: Bytes): number;
  getrlimit(resource: number, value: Bytes): number;
  setrlimit(resource: number, value: Bytes): number;
}

let loaded: Native | undefined;

/**
 * The bindings, loaded at the first call so that the package imports everywhere.
 * @throws {NetnsError} `NETNS_UNSUPPORTED` on another system than 64-bit Linux, or without koffi's binary.
 */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

/** Symbolic name of an errno value, `EIO`-style; `errno N` if the platform has no name for it. */
export function errnoName(errno: number): string {
  const found = Object.entries(constants.errno).find(([, value]) => value === errno);
  return found?.[0] ?? `errno ${errno}`;
}

/** What a system call was about, for the error that says it failed. */
export interface CallSubject {
  readonly operation: string;
  /** Words after the operation, for example `10.1.0.3:15008`. */
  readonly subject?: string;
  readonly address?: string;
  readonly namespaceId?: bigint;
  /** What the reader should check; without it, one is chosen by errno. */
  readonly remedy?: string;
  /** The error that says so, if it is another's. */
  readonly cause?: unknown;
}

/** The typed error for the system call that has just failed with `errno` (default: the thread's current one). */
export function systemCallError(about: CallSubject, errno: number = native().errno()): NetnsError {
  const name = errnoName(errno);
  const subject = about.subject ?? about.address;
  const place = about.namespaceId === undefined ? '' : ` in netns ${about.namespaceId}`;
  const remedy = about.remedy ?? remedyFor(name, about.operation);
  const words = `${about.operation}${subject === undefined ? '' : ` ${subject}`}${place}: ${name}`;
  return new NetnsError(codeFor(name), remedy === undefined ? words : `${words} (${remedy})`, {
    operation: about.operation,
    errno: name,
    errnoNumber: errno,
    reason: native().strerror(errno),
    ...(about.cause === undefined ? {} : { cause: about.cause }),
    ...(about.address === undefined ? {} : { address: about.address }),
    ...(about.namespaceId === undefined ? {} : { namespaceId: about.namespaceId }),
  });
}

/** Passes a non-negative result through; otherwise throws what `systemCallError` makes of it. */
export function checked(result: number, about: CallSubject): number {
  if (result < 0) throw systemCallError(about);
  return result;
}

function codeFor(name: string): NetnsErrorCode {
  switch (name) {
    case 'EADDRINUSE':
      return 'NETNS_ADDRESS_IN_USE';
    case 'EEXIST':
      return 'NETNS_EXISTS';
    case 'EPERM':
    case 'EACCES':
      return 'NETNS_PERMISSION';
    case 'ENOENT':
    case 'ESRCH':
      return 'NETNS_GONE';
    default:
      return 'NETNS_SYSTEM_CALL';
  }
}

function remedyFor(name: string, operation: string): string | undefined {
  if (name === 'EADDRINUSE') return 'does another socket in this namespace have it?';
  if (name === 'EINVAL' && operation === 'setns') return 'is it a network namespace?';
  if (name === 'EMFILE') return 'raise the limit of open files';
  if (name !== 'EPERM' && name !== 'EACCES') return undefined;
  if (operation === 'setns' || operation === 'unshare' || operation === 'mount') return 'needs CAP_SYS_ADMIN';
  if (operation.startsWith('SO_MARK') || operation.includes('TRANSPARENT')) return 'needs CAP_NET_ADMIN';
  if (operation.includes('AF_PACKET')) return 'needs CAP_NET_RAW';
  return 'check the privileges of this process';
}

function load(): Native {
  if (process.platform !== 'linux')
    throw new NetnsError(
      'NETNS_UNSUPPORTED',
      `network namespaces need Linux, this is ${process.platform} (run on a Linux machine)`,
    );
  // Struct layouts and constants here are those of 64-bit little-endian Linux, the same on both of these.
  if (process.arch !== 'x64' && process.arch !== 'arm64')
    throw new NetnsError(
      'NETNS_UNSUPPORTED',
      `system call layouts are known for x64 and arm64, this is ${process.arch} (use x64 or arm64)`,
    );
  let koffi: typeof Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi');
  } catch (error) {
    const [why = ''] = (error instanceof Error ? error.message : String(error)).split('\n', 1);
    throw new NetnsError(
      'NETNS_UNSUPPORTED',
      `koffi cannot be loaded: ${why} (run npm install koffi in the folder of the program; of a bundle, beside main.mjs)`,
      { cause: error },
    );
  }
  return bind(koffi);
}

function bind(koffi: typeof Koffi): Native {
  const library = koffi.load(null);
  // Moves nothing; its result is the first argument.
  const memmove = library.func('uintptr_t memmove(void *, void *, size_t)');
  return {
    errno: () => koffi.errno(),
    strerror: library.func('const char *strerror(int)'),
    addressOf: (bytes) => Number(memmove(bytes, bytes, 0)),
    abort: library.func('void abort()'),
    // open, fcntl and ioctl are variadic in C; on Linux x64 and arm64 that does not change how integers are passed.
    open: library.func('int open(const char *, int)'),
    close: library.func('int close(int)'),
    fcntl: library.func('int fcntl(int, int, int64_t)'),
    fcntlBytes: library.func('int fcntl(int, int, void *)'),
    ioctl: library.func('int ioctl(int, unsigned long, void *)'),
    setns: library.func('int setns(int, int)'),
    unshare: library.func('int unshare(int)'),
    mount: library.func('int mount(const char *, const char *, const char *, unsigned long, const char *)'),
    umount2: library.func('int umount2(const char *, int)'),
    socket: library.func('int socket(int, int, int)'),
    socketpair: library.func('int socketpair(int, int, int, void *)'),
    bind: library.func('int bind(int, void *, int)'),
    listen: library.func('int listen(int, int)'),
    accept4: library.func('int accept4(int, void *, void *, int)'),
    connect: library.func('int connect(int, void *, int)'),
    getsockname: library.func('int getsockname(int, void *, void *)'),
    getsockopt: library.func('int getsockopt(int, int, int, void *, void *)'),
    setsockopt: library.func('int setsockopt(int, int, int, void *, int)'),
    recv: library.func('int64_t recv(int, void *, size_t, int)'),
    send: library.func('int64_t send(int, void *, size_t, int)'),
    recvmsg: library.func('int64_t recvmsg(int, uintptr_t, int)'),
    sendmsg: library.func('int64_t sendmsg(int, uintptr_t, int)'),
    poll: library.func('int poll(void *, unsigned long, int)'),
    inetPton: library.func('int inet_pton(int, const char *, void *)'),
    getrlimit: library.func('int getrlimit(int, void *)'),
    setrlimit: library.func('int setrlimit(int, void *)'),
  };
}
