import { NetnsError } from '../../errors.ts';
import { NLA_F_NESTED, NLA_TYPE_MASK } from './netlink-constants.ts';
import { NETLINK_ALIGNMENT, NLATTR } from './route-structs.ts';

/** The length field is 16 bits wide. */
const MAX_ATTRIBUTE_BYTES = 0xffff;
const UINT32_BYTES = 4;
const UINT32_MAX = 0xffff_ffff;

/** Decoded attributes of one level by number; values are views into the message. */
export type AttributeMap = ReadonlyMap<number, Buffer>;

/** `length` rounded up to where the next header may begin. */
export function align(length: number): number {
  return Math.ceil(length / NETLINK_ALIGNMENT) * NETLINK_ALIGNMENT;
}

/** One attribute, padded. Throws `NETNS_INVALID_ARGUMENT` if the value is too long for one. */
export function encodeAttribute(type: number, value: Uint8Array): Buffer {
  const length = NLATTR.size + value.length;
  if (length > MAX_ATTRIBUTE_BYTES)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `attribute ${type}: ${value.length} bytes do not fit into one`);
  const bytes = Buffer.alloc(align(length));
  bytes.writeUInt16LE(length, NLATTR.length);
  bytes.writeUInt16LE(type, NLATTR.type);
  bytes.set(value, NLATTR.size);
  return bytes;
}

/** An attribute that consists of attributes. */
export function encodeNested(type: number, children: readonly Buffer[]): Buffer {
  return encodeAttribute(type | NLA_F_NESTED, Buffer.concat(children));
}

/** An unsigned number of 32 bits; `name` is for the error. Throws `NETNS_INVALID_ARGUMENT` if it is none. */
export function encodeNumber(type: number, value: number, name: string): Buffer {
  const bytes = Buffer.alloc(UINT32_BYTES);
  bytes.writeUInt32LE(checkedUint32(value, name));
  return encodeAttribute(type, bytes);
}

/** Text with its final zero. */
export function encodeText(type: number, text: string | Uint8Array): Buffer {
  return encodeAttribute(type, Buffer.concat([Buffer.from(text), Buffer.alloc(1)]));
}

/** `value`, or `NETNS_INVALID_ARGUMENT` if 32 bits without a sign cannot hold it. */
export function checkedUint32(value: number, name: string): number {
  if (!Number.isInteger(value) || value < 0 || value > UINT32_MAX)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `${name} ${value} is not a whole number from 0 to ${UINT32_MAX}`);
  return value;
}

/** The attributes of one level; of two with one number the last counts, as in the kernel. Throws `NETNS_MALFORMED`. */
export function decodeAttributes(bytes: Buffer): AttributeMap {
  const found = new Map<number, Buffer>();
  // The kernel, too, lets pass a rest that no header fits into.
  for (let at = 0; bytes.length - at >= NLATTR.size; ) {
    const length = bytes.readUInt16LE(at + NLATTR.length);
    if (length < NLATTR.size || length > bytes.length - at)
      throw new NetnsError(
        'NETNS_MALFORMED',
        `attribute at byte ${at} of ${bytes.length} says it has ${length} bytes (is this kernel newer than the library?)`,
      );
    const type = bytes.readUInt16LE(at + NLATTR.type) & NLA_TYPE_MASK;
    found.set(type, bytes.subarray(at + NLATTR.size, at + length));
    at += align(length);
  }
  return found;
}

/** An unsigned number of 32 bits, undefined if absent. Throws `NETNS_MALFORMED`. */
export function readNumber(attributes: AttributeMap, type: number): number | undefined {
  const value = attributes.get(type);
  if (value === undefined) return undefined;
  if (value.length < UINT32_BYTES)
    throw new NetnsError('NETNS_MALFORMED', `attribute ${type} has ${value.length} bytes, want ${UINT32_BYTES}`);
  return value.readUInt32LE(0);
}

/** Text up to its final zero, undefined if absent. */
export function readText(attributes: AttributeMap, type: number): string | undefined {
  const value = attributes.get(type);
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return value.subarray(0, end < 0 ? value.length : end).toString();
}

/** The attributes inside of an attribute; none if it is absent. Throws `NETNS_MALFORMED`. */
export function readNested(attributes: AttributeMap, type: number): AttributeMap {
  return decodeAttributes(attributes.get(type) ?? Buffer.alloc(0));
}
