import { fstatSync, writeSync } from 'node:fs';
import { closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import { CLONE_NEWNET, NS_GET_NSTYPE, O_CLOEXEC } from './kernel-constants.ts';
import { checked, errnoName, native, systemCallError } from './native.ts';

/** What makes two descriptors the same namespace: `st_dev` and `st_ino`, never the descriptor's number or path. */
export interface NamespaceId {
  readonly device: bigint;
  readonly inode: bigint;
}

/** Where this thread is now; setns(2) is per OS thread and each JavaScript thread loads its own copy of this module. */
let currentFd: number | undefined;

/** An open Linux network namespace. Holding it keeps the namespace alive, also when all its processes are gone. */
export class Namespace implements Disposable {
  readonly id: NamespaceId;
  #fd: number;

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
    const fd = checked(native().open(path, O_CLOEXEC), {
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

  /** The namespace of the calling thread. Throws as `open` does. */
  static current(): Namespace {
    return Namespace.open('/proc/thread-self/ns/net');
  }

  /**
   * The descriptor, owned by this object.
   * @throws {NetnsError} `NETNS_CLOSED` after `close`.
   */
  get fd(): number {
    if (this.#fd < 0)
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
    const c = native();
    currentFd ??= checked(c.open('/proc/thread-self/ns/net', O_CLOEXEC), {
      operation: 'open namespace',
      subject: 'own',
    });
    const back = currentFd;
    const fd = this.fd;
    if (c.setns(fd, CLONE_NEWNET) < 0) throw systemCallError({ operation: 'setns', namespaceId: this.id.inode });
    currentFd = fd;
    let result: T;
    try {
      result = fn();
    } finally {
      if (c.setns(back, CLONE_NEWNET) < 0) endProcess(this.id.inode);
      currentFd = back;
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

  /** Closes the descriptor. Idempotent. */
  close(): void {
    const fd = this.#fd;
    if (fd < 0) return;
    this.#fd = -1;
    closeDescriptor(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function ignoreRejection(): void {
  // The promise is refused as a whole; how it ends is nobody's business any more.
}

function endProcess(inode: bigint): never {
  const reason = errnoName(native().errno());
  writeSync(2, `netns: cannot leave netns ${inode}: ${reason}; ending the process so that no traffic leaks\n`);
  // process.abort does not exist in worker threads; abort(3) does not return.
  native().abort();
  throw new NetnsError('NETNS_SYSTEM_CALL', `cannot leave netns ${inode}: ${reason}`);
}
