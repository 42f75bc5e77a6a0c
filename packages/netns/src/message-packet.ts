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
import { native } from './native.ts';

/** Longest packet that `sendPacket` and `receivePacket` move. */
const MAX_PACKET_BYTES = 65_536;
/** `SCM_MAX_FD`: more descriptors than this never come with one packet. */
const MAX_PACKET_DESCRIPTORS = 253;

/*
 * Layouts on 64-bit little-endian Linux, the same on x64 and arm64:
 * struct msghdr (56): name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48
 * struct iovec (16): base 0, len 8
 * struct cmsghdr (16): len 0 (header and data), level 8, type 12; data from 16, the next header at a multiple of 8
 */
const HEADER = { at: 0, iov: 16, iovCount: 24, control: 32, controlLength: 40, flags: 48 } as const;
const VECTOR_AT = 64;
const CONTROL_AT = 96;
const CONTROL_HEADER_BYTES = 16;
const CONTROL_BYTES = CONTROL_HEADER_BYTES + Math.ceil((MAX_PACKET_DESCRIPTORS * 4) / 8) * 8;
const DATA_AT = 2_048;

interface Scratch {
  readonly address: number;
  readonly bytes: Buffer;
}

/** One a thread: both functions fill it, make the call and copy the result out before they return. */
let scratch: Scratch | undefined;

/** A packet as received; the receiver owns the descriptors. */
export interface ReceivedPacket {
  readonly bytes: Uint8Array;
  readonly fds: number[];
  /** Bytes or descriptors were cut off by the kernel (`MSG_TRUNC`, `MSG_CTRUNC`). */
  readonly truncated: boolean;
}

/** recvmsg(2) without waiting. Returns undefined on failure: `native().errno()` says why, EAGAIN for "nothing there". */
export function receivePacket(fd: number, maxBytes: number): ReceivedPacket | undefined {
  const { address, bytes } = prepare(Math.min(maxBytes, MAX_PACKET_BYTES), CONTROL_BYTES);
  const length = native().recvmsg(fd, address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) return undefined;
  // Descriptors first: from here on they are open in this process, whatever else is wrong with the packet.
  const fds = readDescriptors(bytes, Number(bytes.readBigUInt64LE(HEADER.controlLength)));
  const flags = bytes.readUInt32LE(HEADER.flags);
  return {
    bytes: Uint8Array.from(bytes.subarray(DATA_AT, DATA_AT + Math.min(length, maxBytes))),
    fds,
    truncated: (flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0,
  };
}

/**
 * sendmsg(2) without waiting; the kernel duplicates the descriptors, the caller keeps its own. Returns whether the packet
 * went; if not, `native().errno()` says why, EAGAIN for "no room now".
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT` for a packet or descriptor list that is too long.
 */
export function sendPacket(fd: number, packet: Uint8Array, fds: readonly number[]): boolean {
  if (packet.length > MAX_PACKET_BYTES || fds.length > MAX_PACKET_DESCRIPTORS)
    throw new NetnsError(
      'NETNS_INVALID_ARGUMENT',
      `packet of ${packet.length} bytes and ${fds.length} descriptors: at most ${MAX_PACKET_BYTES} and ${MAX_PACKET_DESCRIPTORS} go at once`,
    );
  const used = fds.length === 0 ? 0 : CONTROL_HEADER_BYTES + fds.length * 4;
  const { address, bytes } = prepare(packet.length, Math.ceil(used / 8) * 8);
  bytes.set(packet, DATA_AT);
  if (used > 0) {
    bytes.writeBigUInt64LE(BigInt(used), CONTROL_AT);
    bytes.writeInt32LE(SOL_SOCKET, CONTROL_AT + 8);
    bytes.writeInt32LE(SCM_RIGHTS, CONTROL_AT + 12);
    for (const [index, each] of fds.entries()) bytes.writeInt32LE(each, CONTROL_AT + CONTROL_HEADER_BYTES + index * 4);
  }
  return native().sendmsg(fd, address, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/** Fills the message header for `length` bytes of data and `controlLength` bytes of ancillary data. */
function prepare(length: number, controlLength: number): Scratch {
  scratch ??= allocateScratch();
  const { address, bytes } = scratch;
  bytes.fill(0, 0, DATA_AT);
  bytes.writeBigUInt64LE(BigInt(address + VECTOR_AT), HEADER.iov);
  bytes.writeBigUInt64LE(1n, HEADER.iovCount);
  bytes.writeBigUInt64LE(BigInt(address + DATA_AT), VECTOR_AT);
  bytes.writeBigUInt64LE(BigInt(length), VECTOR_AT + 8);
  if (controlLength > 0) bytes.writeBigUInt64LE(BigInt(address + CONTROL_AT), HEADER.control);
  bytes.writeBigUInt64LE(BigInt(controlLength), HEADER.controlLength);
  return scratch;
}

function allocateScratch(): Scratch {
  const { address, bytes } = native().allocate(DATA_AT + MAX_PACKET_BYTES);
  return { address, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

function readDescriptors(bytes: Buffer, controlLength: number): number[] {
  const fds: number[] = [];
  const end = CONTROL_AT + controlLength;
  let at = CONTROL_AT;
  while (at + CONTROL_HEADER_BYTES <= end) {
    const length = Number(bytes.readBigUInt64LE(at));
    if (length < CONTROL_HEADER_BYTES) break;
    const isRights = bytes.readInt32LE(at + 8) === SOL_SOCKET && bytes.readInt32LE(at + 12) === SCM_RIGHTS;
    const dataEnd = Math.min(at + length, end);
    if (isRights)
      for (let each = at + CONTROL_HEADER_BYTES; each + 4 <= dataEnd; each += 4) fds.push(bytes.readInt32LE(each));
    at += Math.ceil(length / 8) * 8;
  }
  return fds;
}
