import { fstatSync } from 'node:fs';
import { assertDescriptor, closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import { assertPath } from './file-path.ts';
import { CLONE_NEWNET, F_GETFD, NS_GET_NSTYPE, O_CLOEXEC, O_NONBLOCK } from './kernel-constants.ts';
import { pinDescriptor, removePin } from './namespace-pin.ts';
import { checked, native } from './native.ts';
import { callElsewhere, OWN_NAMESPACE_PATH } from './thread-namespace.ts';

/** What makes two descriptors the same namespace: `st_dev` and `st_ino`, never the descriptor's number or path. */
export interface NamespaceId {
  readonly device: bigint;
  readonly inode: bigint;
}

/** An open Linux network namespace. Holding it keeps the namespace alive, also when all its processes are gone. */
export class Namespace implements Disposable {
  readonly id: NamespaceId;
  readonly #fd: number;
  #closed = false;

  private constructor(fd: number) {
    this.#fd = fd;
    const { dev, ino } = fstatSync(fd, { bigint: true });
    this.id = { device: dev, inode: ino };
  }

  /**
   * Opens `/run/netns/NAME`, `/proc/PID/ns/net` or the like.
   * @throws {NetnsError} `NETNS_GONE` if the path does not exist, `NETNS_PERMISSION`, `NETNS_INVALID_ARGUMENT` (a zero byte),
   * `NETNS_SYSTEM_CALL`, `NETNS_UNSUPPORTED`.
   */
  static open(path: string): Namespace {
    assertPath(path);
    const fd = checked(native().open(path, O_CLOEXEC | O_NONBLOCK), {
      operation: 'open namespace',
      subject: path,
      remedy: path.includes('/')
        ? 'does it still exist, and may this process look at it?'
        : `is /run/netns/${path} meant?`,
    });
    return new Namespace(fd);
  }

  /** The namespace that process `pid` is in. Throws as `open` does. */
  static ofPid(pid: number): Namespace {
    return Namespace.open(`/proc/${pid}/ns/net`);
  }

  /**
   * Takes over an open descriptor, for example one received over a Unix socket: `close` closes it.
   * What it refers to is not checked, see `isNetworkNamespace`.
   * @throws {NetnsError} `NETNS_SYSTEM_CALL` (EBADF) if it is not open, `NETNS_INVALID_ARGUMENT`, `NETNS_UNSUPPORTED`.
   */
  static ofDescriptor(fd: number): Namespace {
    assertDescriptor(fd);
    checked(native().fcntl(fd, F_GETFD, 0), { operation: 'take over namespace', subject: `descriptor ${fd}` });
    return new Namespace(fd);
  }

  /**
   * A new, empty namespace (`lo` is down), made by unshare(2) on the calling thread, which is back where it was when this
   * returns. It lives as long as something holds it: this object, a socket, a process or `pin`.
   * @throws {NetnsError} `NETNS_PERMISSION` (CAP_SYS_ADMIN), `NETNS_SYSTEM_CALL` (ENOSPC: the limit of namespaces is reached; EMFILE),
   * `NETNS_UNSUPPORTED`; {RangeError} if the stack is nearly used up.
   */
  static create(): Namespace {
    const c = native();
    const departure = { operation: 'unshare', enter: () => c.unshare(CLONE_NEWNET) };
    const about = { operation: 'open namespace', subject: 'just made' };
    return new Namespace(callElsewhere(departure, () => checked(c.open(OWN_NAMESPACE_PATH, O_CLOEXEC), about)));
  }

  /** The namespace of the calling thread. Throws as `open` does. */
  static current(): Namespace {
    return Namespace.open(OWN_NAMESPACE_PATH);
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
   *
   * Only this thread goes, and only during the call: what `fn` begins and leaves to others runs elsewhere. Promises and
   * callbacks go on where the thread is later, asynchronous work of libuv (files, `dns.lookup`, crypto) where its thread pool
   * is (the first call starts it), but a `Worker` started inside stays inside for life. `fn` must not be terminated (`timeout`
   * of node:vm), which skips the way back: the process then ends within a turn of the event loop, and what runs before that
   * runs inside.
   * @throws {NetnsError} `NETNS_PERMISSION` (CAP_SYS_ADMIN), `NETNS_ASYNC_CALLBACK` if `fn` returns a promise, `NETNS_CLOSED`
   * after `close`, `NETNS_GONE` (no /proc), `NETNS_SYSTEM_CALL` (EMFILE: the way back needs a descriptor; EINVAL: no network
   * namespace), `NETNS_UNSUPPORTED`; {RangeError} if the stack is nearly used up; and whatever `fn` throws.
   */
  run<T>(fn: () => T): T {
    const fd = this.fd;
    const namespaceId = this.id.inode;
    const c = native();
    const result = callElsewhere({ operation: 'setns', namespaceId, enter: () => c.setns(fd, CLONE_NEWNET) }, fn);
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
   * (ENOENT: the directory of the directory is missing), `NETNS_INVALID_ARGUMENT` (a zero byte), `NETNS_CLOSED`, `NETNS_SYSTEM_CALL`.
   */
  pin(path: string): void {
    pinDescriptor(this.fd, path);
  }

  /**
   * Takes the name away, as `ip netns delete` does: unmounts and removes the file, also if only the empty file is left. The
   * namespace itself ends when nothing else holds it.
   * @throws {NetnsError} `NETNS_GONE` (ENOENT), `NETNS_INVALID_ARGUMENT` (another file than a pin: it is left alone; a zero byte),
   * `NETNS_PERMISSION`, `NETNS_SYSTEM_CALL`.
   */
  static unpin(path: string): void {
    removePin(path);
  }

  /** Closes the descriptor, also inside of this namespace's own `run`, which leaves all the same. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeDescriptor(this.#fd);
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
