import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import { encodeInterfaceName } from './interface-name.ts';
import {
  AF_PACKET,
  ETH_P_ALL,
  MSG_DONTWAIT,
  SIOCGIFINDEX,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
} from './kernel-constants.ts';
import { IFREQ, SOCKADDR_LL } from './kernel-structs.ts';
import type { Namespace } from './namespace.ts';
import { type CallSubject, checked, native, systemCallError } from './native.ts';
import { ReadinessWatch } from './readiness-watch.ts';
import { type SocketOption, trySetOption } from './socket-options.ts';

/** A frame of an interface with segmentation offload is as long as an IP packet can be. */
const DEFAULT_MAX_BYTES = 65_550;
/** What the kernel holds for a slow reader; more is dropped. */
const KERNEL_BUFFER_BYTES = 8 * 1_024 * 1_024;
/** A busy network must not keep the event loop from timers and other sockets. */
const FRAMES_A_TURN = 64;

/** packet(7): with protocol 0 no frames come before bind(2), not those of other interfaces either. */
const NOTHING_YET = 0;
/** The index that binds to all interfaces. */
const ALL_INTERFACES = 0;

const BUFFER_FORCED: SocketOption = { level: SOL_SOCKET, number: SO_RCVBUFFORCE, name: 'SO_RCVBUFFORCE' };
const BUFFER: SocketOption = { level: SOL_SOCKET, number: SO_RCVBUF, name: 'SO_RCVBUF' };

const NO_INTERFACE = 'does the namespace have this interface?';

const { EAGAIN, EINTR, ENETDOWN } = constants.errno;

/** What to capture. */
export interface CaptureOptions {
  /** Interface name; all interfaces by default (then a frame passing two of them is seen twice). */
  readonly interface?: string;
  /** Ends the capture: frames the kernel already holds are still delivered, then the iteration ends without an error. */
  readonly signal: AbortSignal;
  /** Longest part of a frame to keep; whole frames by default. */
  readonly maxBytes?: number;
}

/**
 * Link-layer frames seen in `namespace`, both directions, from the moment of the call. Iterate once; leaving the loop or
 * aborting closes the socket. A reader that is more than 8 MiB behind misses frames. Needs CAP_NET_RAW.
 * @throws {NetnsError} `NETNS_PERMISSION`, `NETNS_SYSTEM_CALL` (ENODEV: no such interface), `NETNS_INVALID_ARGUMENT`,
 * `NETNS_CLOSED` (the namespace), `NETNS_UNSUPPORTED`; and the signal's reason.
 */
export function capturePackets(namespace: Namespace, options: CaptureOptions): AsyncIterable<Uint8Array> {
  const { signal, maxBytes = DEFAULT_MAX_BYTES } = options;
  signal.throwIfAborted();
  if (!Number.isInteger(maxBytes) || maxBytes < 1 || maxBytes > DEFAULT_MAX_BYTES)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `maxBytes ${maxBytes}: want 1 to ${DEFAULT_MAX_BYTES}`);
  const namespaceId = namespace.id.inode;
  const fd = namespace.run(() =>
    checked(native().socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NOTHING_YET), {
      operation: 'socket AF_PACKET',
      namespaceId,
    }),
  );
  let watch: ReadinessWatch;
  try {
    if (!trySetOption(fd, BUFFER_FORCED, KERNEL_BUFFER_BYTES)) trySetOption(fd, BUFFER, KERNEL_BUFFER_BYTES);
    bindToInterface(fd, options.interface, namespaceId);
    watch = new ReadinessWatch(fd);
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
  return readFrames({ fd, watch, signal, maxBytes });
}

interface Capture {
  readonly fd: number;
  readonly watch: ReadinessWatch;
  readonly signal: AbortSignal;
  readonly maxBytes: number;
}

function readFrames(capture: Capture): AsyncIterable<Uint8Array> {
  const { fd, watch, signal } = capture;
  let closed = false;
  let started = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    signal.removeEventListener('abort', closeIfUnread);
    watch.close();
    closeDescriptor(fd);
  };
  // Nobody may ever iterate; a reader closes after it has drained.
  const closeIfUnread = (): void => {
    if (!started) setImmediate(closeUnread);
  };
  const closeUnread = (): void => {
    if (!started) close();
  };
  signal.addEventListener('abort', closeIfUnread);
  async function* iterate(): AsyncGenerator<Uint8Array, void, undefined> {
    if (started || closed) return;
    started = true;
    try {
      yield* framesUntilAbort(capture);
    } finally {
      close();
    }
  }
  return {
    [Symbol.asyncIterator]() {
      const frames = iterate();
      return {
        next: () => frames.next(),
        // A generator that has not begun has no `finally` to end in.
        return: async () => {
          if (!started) close();
          return frames.return();
        },
      };
    },
  };
}

async function* framesUntilAbort(capture: Capture): AsyncGenerator<Uint8Array, void, undefined> {
  const { fd, watch, signal } = capture;
  const room = Buffer.allocUnsafe(capture.maxBytes);
  let bytesAfterAbort = 0;
  for (let count = 1; bytesAfterAbort <= KERNEL_BUFFER_BYTES; count += 1) {
    const frame = readFrame(fd, room);
    if (frame === undefined && signal.aborted) return;
    // Traffic may go on for ever: what was queued at the abort is never more than the kernel's buffer.
    if (signal.aborted) bytesAfterAbort += frame?.length ?? 0;
    if (frame === undefined) await untilReadableOrAborted(watch, signal);
    else yield frame;
    if (count % FRAMES_A_TURN === 0) await nextTurn();
  }
}

/** A copy of the next frame, or undefined if none is there. */
function readFrame(fd: number, room: Buffer): Uint8Array | undefined {
  for (;;) {
    const length = native().recv(fd, room, room.length, MSG_DONTWAIT);
    if (length >= 0) return Uint8Array.from(room.subarray(0, length));
    const errno = native().errno();
    if (errno === EAGAIN) return undefined;
    // The kernel reports once that an interface went away or down; the others go on.
    if (errno !== EINTR && errno !== ENETDOWN) throw systemCallError({ operation: 'recv' }, errno);
  }
}

async function untilReadableOrAborted(watch: ReadinessWatch, signal: AbortSignal): Promise<void> {
  try {
    await watch.readable(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** From here on frames come: those of the interface called `name`, or of all. */
function bindToInterface(fd: number, name: string | undefined, namespaceId: bigint): void {
  const about = { namespaceId, ...(name === undefined ? {} : { subject: name }), remedy: NO_INTERFACE };
  const address = Buffer.alloc(SOCKADDR_LL.size);
  address.writeUInt16LE(AF_PACKET, SOCKADDR_LL.family);
  address.writeUInt16BE(ETH_P_ALL, SOCKADDR_LL.protocol);
  const index = name === undefined ? ALL_INTERFACES : findInterface(fd, name, about);
  address.writeInt32LE(index, SOCKADDR_LL.interfaceIndex);
  checked(native().bind(fd, address, address.length), { operation: 'bind to interface', ...about });
}

function findInterface(fd: number, name: string, about: Omit<CallSubject, 'operation'>): number {
  const request = Buffer.alloc(IFREQ.size);
  request.set(encodeInterfaceName(name), IFREQ.name);
  checked(native().ioctl(fd, SIOCGIFINDEX, request), { operation: 'find interface', ...about });
  return request.readInt32LE(IFREQ.index);
}
