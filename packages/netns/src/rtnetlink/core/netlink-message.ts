import { NetnsError } from '../../errors.ts';
import { NLMSGERR, NLMSGHDR } from '../../kernel-structs.ts';
import { align, decodeAttributes, readText } from './attribute.ts';
import { NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSGERR_ATTR_MSG } from './netlink-constants.ts';

/** A message to the kernel without its header. */
export interface NetlinkRequest {
  readonly type: number;
  /** Beside `NLM_F_REQUEST`. */
  readonly flags: number;
  /** The fixed part, then attributes. */
  readonly body: Buffer;
}

/** A message of the kernel. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** A view into the datagram. */
  readonly payload: Buffer;
}

/** What the kernel says about a request. */
export interface NetlinkVerdict {
  /** Error number without its sign; 0 is success. */
  readonly errno: number;
  /** The kernel's own words, if it has any. */
  readonly text?: string;
}

/** The datagram of one message; the kernel fills in the sender. */
export function encodeMessage(request: NetlinkRequest, sequence: number): Buffer {
  const length = NLMSGHDR.size + request.body.length;
  const bytes = Buffer.alloc(align(length));
  bytes.writeUInt32LE(length, NLMSGHDR.length);
  bytes.writeUInt16LE(request.type, NLMSGHDR.type);
  bytes.writeUInt16LE(request.flags, NLMSGHDR.flags);
  bytes.writeUInt32LE(sequence, NLMSGHDR.sequence);
  bytes.set(request.body, NLMSGHDR.size);
  return bytes;
}

/** The messages of one datagram. Throws `NETNS_MALFORMED` if their lengths do not add up. */
export function decodeMessages(datagram: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at < datagram.length; ) {
    const rest = datagram.length - at;
    const length = rest < NLMSGHDR.size ? 0 : datagram.readUInt32LE(at + NLMSGHDR.length);
    if (length < NLMSGHDR.size || length > rest)
      throw new NetnsError('NETNS_MALFORMED', `netlink message of ${length} bytes where ${rest} are left`);
    messages.push({
      type: datagram.readUInt16LE(at + NLMSGHDR.type),
      flags: datagram.readUInt16LE(at + NLMSGHDR.flags),
      sequence: datagram.readUInt32LE(at + NLMSGHDR.sequence),
      payload: datagram.subarray(at + NLMSGHDR.size, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** Reads `NLMSG_ERROR`. Throws `NETNS_MALFORMED`. */
export function decodeAcknowledgement({ flags, payload }: NetlinkMessage): NetlinkVerdict {
  const errno = readErrno(payload, NLMSGERR.size);
  const repeated = payload.readUInt32LE(NLMSGERR.header + NLMSGHDR.length);
  const extra = NLMSGERR.header + ((flags & NLM_F_CAPPED) === 0 ? align(repeated) : NLMSGHDR.size);
  return explain(errno, flags, payload.subarray(extra));
}

/** Reads `NLMSG_DONE`, which ends a dump. Throws `NETNS_MALFORMED`. */
export function decodeDone({ flags, payload }: NetlinkMessage): NetlinkVerdict {
  // Old kernels say nothing more than that it is over.
  if (payload.length === 0) return { errno: 0 };
  const errno = readErrno(payload, Int32Array.BYTES_PER_ELEMENT);
  return explain(errno, flags, payload.subarray(Int32Array.BYTES_PER_ELEMENT));
}

function readErrno(payload: Buffer, wanted: number): number {
  if (payload.length < wanted)
    throw new NetnsError('NETNS_MALFORMED', `netlink answer has ${payload.length} bytes, want ${wanted}`);
  return Math.abs(payload.readInt32LE(NLMSGERR.error));
}

function explain(errno: number, flags: number, attributes: Buffer): NetlinkVerdict {
  const text = (flags & NLM_F_ACK_TLVS) === 0 ? undefined : readText(decodeAttributes(attributes), NLMSGERR_ATTR_MSG);
  return text === undefined ? { errno } : { errno, text };
}

/** The fixed part of a message. Throws `NETNS_MALFORMED` if it is shorter. */
export function checkedHeader(payload: Buffer, size: number): Buffer {
  if (payload.length < size)
    throw new NetnsError('NETNS_MALFORMED', `netlink message has ${payload.length} bytes, want ${size} at least`);
  return payload;
}
