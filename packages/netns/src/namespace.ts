import { fstatSync, writeSync } from 'node:fs';
import { closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import { CLONE_NEWNET, NS_GET_NSTYPE, O_CLOEXEC, O_NONBLOCK } from './kernel-constants.ts';
import { pinDescriptor, removePin } from './namespace-pin.ts';
import { checked, errnoName, native, systemCallError } from './native.ts';

/** What makes two descriptors the same namespace: `st_dev` and `st_ino`, never the descriptor's number or path. */
export interface NamespaceId {
  readonly device: bigint;
  readonly inode: bigint;
}

/** Not `/proc/self`: that is the main thread's, and a worker may be elsewhere. */
const OWN_PATH = '/proc/thread-self/ns/net';

/** Where this thread is now; setns(2) is per OS thread and each JavaScript thread loads its own copy of this module. */
let currentFd: number | undefined;

/** An open Linux network namespace. Holding it keeps the namespace alive, also when all its processes are gone. */
export class Namespace implements Disposable {
  readonly id: NamespaceId;
  #fd: number;
  /** Calls of `run` that are going on. */
  #entered = 0;
  #closed = false;

  private constructor(fd: number) {
    this.#fd = fd;
    const { dev, ino } = fstatSync(fd, { bigint: true });
    this.id = { device: dev, inode: ino };
  }

  /**
   * Opens `/run/netns/NAME`, `/proc/PID/ns/net` or the like.
   * @throws {NetnsError} `NETNS_GONE` if the path does not exist, `NETNS_PERMISSION`, `NETNS_SYSTEM_CALL`, `NETNS_UNSUPPORTED`.
   */
  static open(path: string): Namespace {
    const fd = checked(native().open(path, O_CLOEXEC | O_NONBLOCK), {
      operation: 'open namespace',
      subject: path,
      remedy: 'does the pod still run, and may this process look at it?',
    });
    return new Namespace(fd);
  }

  /** The namespace that process `pid` is in. Throws as `open` does. */
  static ofPid(pid: number): Namespace {
    return Namespace.open(`/proc/${pid}/ns/net`);
  }

  /**
   * Takes over an open descriptor, for example one received over a Unix socket: `close` closes it.
   * @throws if the descriptor is not open. What it refers to is not checked, see `isNetworkNamespace`.
   */
  static ofDescriptor(fd: number): Namespace {
    return new Namespace(fd);
  }

  /**
   * A new, empty namespace (`lo` is down), made by unshare(2) on the calling thread, which is back where it was when this
   * returns. It lives as long as something holds it: this object, a socket, a process or `pin`.
   * @throws {NetnsError} `NETNS_PERMISSION` (CAP_SYS_ADMIN), `NETNS_SYSTEM_CALL` (ENOSPC: the limit of namespaces is reached).
   */
  static create(): Namespace {
    const c = native();
    const back = ownDescriptor();
    checked(c.unshare(CLONE_NEWNET), { operation: 'unshare' });
    let fd = -1;
    let errno = 0;
    try {
      fd = c.open(OWN_PATH, O_CLOEXEC);
      errno = c.errno();
    } finally {
      comeBack(back, undefined);
    }
    if (fd < 0) throw systemCallError({ operation: 'open namespace', subject: 'just made' }, errno);
    return new Namespace(fd);
  }

  /** The namespace of the calling thread. Throws as `open` does. */
  static current(): Namespace {
    return Namespace.open(OWN_PATH);
  }

  /**
   * The descriptor, owned by this object.
   * @throws {NetnsError} `NETNS_CLOSED` after `close`.
   */
  get fd(): number {
    if (this.#closed)
      throw new NetnsError('NETNS_CLOSED', `netns ${this.id.inode} is closed here (it was used after close)`, {
        namespaceId: this.id.inode,
      });
    return this.#fd;
  }

  /** Whether the descriptor really is a network namespace, by ioctl_ns(2); false for anything else. */
  get isNetworkNamespace(): boolean {
    return native().ioctl(this.fd, NS_GET_NSTYPE, null) === CLONE_NEWNET;
  }

  /** Whether both refer to one namespace. */
  sameAs(other: Namespace): boolean {
    return this.id.inode === other.id.inode && this.id.device === other.id.device;
  }

  /**
   * Calls `fn` with the calling thread inside the namespace and returns its result. `fn` must be synchronous: sockets it
   * makes belong to the namespace for life, whatever thread uses them later. Calls may nest. If the thread cannot be
   * brought back, the process ends: going on would leak traffic into the wrong namespace.
   * @throws {NetnsError} `NETNS_PERMISSION` (CAP_SYS_ADMIN), `NETNS_ASYNC_CALLBACK` if `fn` returns a promise, `NETNS_SYSTEM_CALL`;
   * and whatever `fn` throws.
   */
  run<T>(fn: () => T): T {
    const back = ownDescriptor();
    const fd = this.fd;
    checked(native().setns(fd, CLONE_NEWNET), { operation: 'setns', namespaceId: this.id.inode });
    currentFd = fd;
    this.#entered += 1;
    let result: T;
    try {
      result = fn();
    } finally {
      comeBack(back, this.id.inode);
      this.#entered -= 1;
      if (this.#closed) this.#release();
    }
    if (isThenable(result)) {
      result.then(undefined, ignoreRejection);
      throw new NetnsError(
        'NETNS_ASYNC_CALLBACK',
        'a function run in a namespace returned a promise (what it awaits would run outside; make sockets synchronously)',
        { operation: 'run', namespaceId: this.id.inode },
      );
    }
    return result;
  }

  /**
   * Gives the namespace a name, as `ip netns attach` does: a file is made at `path` (`/run/netns/NAME`; its directory is
   * made if absent) and the namespace mounted on it. `ip netns` sees and deletes it; it lives until `unpin` or a reboot.
   * Nothing is left behind when it throws.
   * @throws {NetnsError} `NETNS_EXISTS` (EEXIST: there is something at `path`), `NETNS_PERMISSION` (CAP_SYS_ADMIN), `NETNS_GONE`
   * (ENOENT: the directory of the directory is missing), `NETNS_CLOSED`, `NETNS_SYSTEM_CALL`.
   */
  pin(path: string): void {
    pinDescriptor(this.fd, path);
  }

  /**
   * Takes the name away, as `ip netns delete` does: unmounts and removes the file, also if only the empty file is left. The
   * namespace itself ends when nothing else holds it.
   * @throws {NetnsError} `NETNS_GONE` (ENOENT), `NETNS_INVALID_ARGUMENT` (another file than a pin: it is left alone),
   * `NETNS_PERMISSION`, `NETNS_SYSTEM_CALL`.
   */
  static unpin(path: string): void {
    removePin(path);
  }

  /** Closes the descriptor; inside of this namespace's own `run`, when that ends. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #release(): void {
    // A nested `run` comes back through this descriptor; its number must not become another namespace's meanwhile.
    if (this.#entered > 0 || this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    closeDescriptor(fd);
  }
}

/** The descriptor of the namespace the calling thread is in; the first one is kept for the life of the thread. */
function ownDescriptor(): number {
  currentFd ??= openOwn();
  return currentFd;
}

function openOwn(): number {
  const fd = checked(native().open(OWN_PATH, O_CLOEXEC), { operation: 'open namespace', subject: 'own' });
  // In a user namespace of its own a process may leave for another namespace, but not come back to this one.
  if (native().setns(fd, CLONE_NEWNET) === 0) return fd;
  const error = systemCallError({ operation: 'setns', subject: 'to the own namespace' });
  closeDescriptor(fd);
  throw error;
}

/** Ends the process if it does not succeed, also if the call itself throws. */
function comeBack(fd: number, left: bigint | undefined): void {
  let result = -1;
  try {
    result = native().setns(fd, CLONE_NEWNET);
  } finally {
    if (result < 0) endProcess(left);
  }
  currentFd = fd;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function ignoreRejection(): void {
  // The promise is refused as a whole; how it ends is nobody's business any more.
}

function endProcess(inode: bigint | undefined): never {
  const words = `cannot leave netns ${inode ?? 'just made'}: ${errnoName(native().errno())}`;
  try {
    writeSync(2, `netns: ${words}; ending the process so that no traffic leaks\n`);
  } finally {
    // process.abort does not exist in worker threads; abort(3) does not return.
    native().abort();
  }
  throw new NetnsError('NETNS_SYSTEM_CALL', words);
}
