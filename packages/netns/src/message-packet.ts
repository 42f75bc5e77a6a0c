import { assertDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import {
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  SCM_RIGHTS,
  SOL_SOCKET,
} from './kernel-constants.ts';
import { CMSG_ALIGNMENT, CMSGHDR, INT_BYTES, IOVEC, MSGHDR } from './kernel-structs.ts';
import { native } from './native.ts';

/** Longest packet that `sendPacket` and `receivePacket` move. */
export const MAX_PACKET_BYTES = 65_536;
/** `SCM_MAX_FD`: more descriptors than this never come with one packet. */
export const MAX_PACKET_DESCRIPTORS = 253;

/** Parts of the scratch memory: `struct msghdr` first, then these. */
const VECTOR_AT = 64;
const CONTROL_AT = 96;
const DATA_AT = 2_048;
/** For control messages of other kinds, which come only if someone has asked for them on the socket, and before descriptors. */
const OTHER_CONTROL_BYTES = 512;
const MAX_CONTROL_BYTES = align(descriptorsLength(MAX_PACKET_DESCRIPTORS)) + OTHER_CONTROL_BYTES;

interface Scratch {
  readonly address: number;
  readonly bytes: Buffer;
}

/** One a thread, freed with it: both functions fill it, make the call and copy the result out before they return. */
let scratch: Scratch | undefined;

/** A packet as received; the receiver owns the descriptors. */
export interface ReceivedPacket {
  readonly bytes: Uint8Array;
  readonly fds: number[];
  /** Bytes or descriptors were cut off by the kernel (`MSG_TRUNC`, `MSG_CTRUNC`). */
  readonly truncated: boolean;
}

/**
 * recvmsg(2) without waiting. Returns undefined on failure: `native().errno()` says why, EAGAIN for "nothing there". Of
 * more than `maxDescriptors` descriptors, the kernel closes the rest and says `truncated`; all come by default.
 */
export function receivePacket(fd: number, maxBytes: number, maxDescriptors?: number): ReceivedPacket | undefined {
  const controlLength = maxDescriptors === undefined ? MAX_CONTROL_BYTES : descriptorsLength(maxDescriptors);
  const { address, bytes } = prepare(Math.min(maxBytes, MAX_PACKET_BYTES), controlLength);
  const length = native().recvmsg(fd, address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) return undefined;
  // Descriptors first: from here on they are open in this process, whatever else is wrong with the packet.
  const fds = readDescriptors(bytes, Number(bytes.readBigUInt64LE(MSGHDR.controlLength)));
  const flags = bytes.readUInt32LE(MSGHDR.flags);
  return {
    bytes: Uint8Array.from(bytes.subarray(DATA_AT, DATA_AT + Math.min(length, maxBytes))),
    fds,
    truncated: (flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0,
  };
}

/**
 * sendmsg(2) without waiting; the kernel duplicates the descriptors, the caller keeps its own. Returns whether the packet
 * went; if not, `native().errno()` says why, EAGAIN for "no room now".
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT` for a packet or descriptor list that is too long, or what is no descriptor.
 */
export function sendPacket(fd: number, packet: Uint8Array, fds: readonly number[]): boolean {
  assertSendable(packet, fds);
  const used = descriptorsLength(fds.length);
  const { address, bytes } = prepare(packet.length, align(used));
  bytes.set(packet, DATA_AT);
  if (used > 0) {
    bytes.writeBigUInt64LE(BigInt(used), CONTROL_AT + CMSGHDR.length);
    bytes.writeInt32LE(SOL_SOCKET, CONTROL_AT + CMSGHDR.level);
    bytes.writeInt32LE(SCM_RIGHTS, CONTROL_AT + CMSGHDR.type);
    for (const [index, each] of fds.entries()) bytes.writeInt32LE(each, CONTROL_AT + CMSGHDR.size + index * INT_BYTES);
  }
  return native().sendmsg(fd, address, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/**
 * Refuses what `sendPacket` refuses.
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT`.
 */
export function assertSendable(packet: Uint8Array, fds: readonly number[]): void {
  if (packet.length > MAX_PACKET_BYTES || fds.length > MAX_PACKET_DESCRIPTORS)
    throw new NetnsError(
      'NETNS_INVALID_ARGUMENT',
      `packet of ${packet.length} bytes and ${fds.length} descriptors: at most ${MAX_PACKET_BYTES} and ${MAX_PACKET_DESCRIPTORS} go at once`,
    );
  for (const each of fds) assertDescriptor(each);
}

/** Fills the message header for `length` bytes of data and `controlLength` bytes of ancillary data. */
function prepare(length: number, controlLength: number): Scratch {
  scratch ??= allocateScratch();
  const { address, bytes } = scratch;
  bytes.fill(0, 0, DATA_AT);
  bytes.writeBigUInt64LE(BigInt(address + VECTOR_AT), MSGHDR.vectors);
  bytes.writeBigUInt64LE(1n, MSGHDR.vectorCount);
  bytes.writeBigUInt64LE(BigInt(address + DATA_AT), VECTOR_AT + IOVEC.base);
  bytes.writeBigUInt64LE(BigInt(length), VECTOR_AT + IOVEC.length);
  if (controlLength > 0) bytes.writeBigUInt64LE(BigInt(address + CONTROL_AT), MSGHDR.control);
  bytes.writeBigUInt64LE(BigInt(controlLength), MSGHDR.controlLength);
  return scratch;
}

function allocateScratch(): Scratch {
  const bytes = Buffer.alloc(DATA_AT + MAX_PACKET_BYTES);
  return { address: native().addressOf(bytes), bytes };
}

function readDescriptors(bytes: Buffer, controlLength: number): number[] {
  const fds: number[] = [];
  const end = CONTROL_AT + controlLength;
  let at = CONTROL_AT;
  while (at + CMSGHDR.size <= end) {
    const length = Number(bytes.readBigUInt64LE(at + CMSGHDR.length));
    if (length < CMSGHDR.size) break;
    const dataEnd = Math.min(at + length, end);
    if (isDescriptors(bytes, at))
      for (let each = at + CMSGHDR.size; each + INT_BYTES <= dataEnd; each += INT_BYTES)
        fds.push(bytes.readInt32LE(each));
    at += align(length);
  }
  return fds;
}

/** Credentials, time stamps and the like are no concern of anyone here. */
function isDescriptors(bytes: Buffer, at: number): boolean {
  return bytes.readInt32LE(at + CMSGHDR.level) === SOL_SOCKET && bytes.readInt32LE(at + CMSGHDR.type) === SCM_RIGHTS;
}

/** `CMSG_LEN` of so many descriptors: exactly as much is used, so that the kernel cannot fit another in the padding. */
function descriptorsLength(count: number): number {
  return count === 0 ? 0 : CMSGHDR.size + count * INT_BYTES;
}

/** `CMSG_ALIGN`. */
function align(length: number): number {
  return Math.ceil(length / CMSG_ALIGNMENT) * CMSG_ALIGNMENT;
}
