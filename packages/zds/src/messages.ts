import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ZdsError } from './errors.ts';
import {
  AckSchema,
  AddWorkloadSchema,
  DelWorkloadSchema,
  KeepWorkloadSchema,
  SnapshotSentSchema,
  Version,
  WorkloadInfoSchema,
  type WorkloadRequest,
  WorkloadRequestSchema,
  WorkloadResponseSchema,
  ZdsHelloSchema,
} from './gen/zds_pb.ts';
import { findWireError } from './wire-check.ts';

/** Room for one packet at both ends; a longer one arrives cut and is an error. */
export const MAX_PACKET_BYTES = 1_024;
/** The peer reads an ack into `MAX_PACKET_BYTES` too; this much error text fits with its frame. */
const MAX_ERROR_BYTES = 900;

/** The pod behind a workload. */
export interface WorkloadInfo {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** What the agent asks for. `info` is there in every add of a correct agent. */
export type ZdsRequest =
  | { readonly type: 'add'; readonly uid: string; readonly info: WorkloadInfo | undefined }
  | { readonly type: 'keep'; readonly uid: string }
  | { readonly type: 'delete'; readonly uid: string }
  | { readonly type: 'snapshot-sent' };

/** What of a received packet decides how it is read. */
export interface PacketFacts {
  readonly bytes: Uint8Array;
  readonly descriptorCount: number;
  /** Bytes or descriptors were cut off by the kernel. */
  readonly truncated: boolean;
}

/** A request, or why the packet is none, in the words of the reference ztunnel. */
export type RequestReading = { readonly request: ZdsRequest } | { readonly problem: string };

/** The first packet from ztunnel. */
export function encodeHello(): Uint8Array {
  return toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 }));
}

/** The version number in a hello; 0 if it says none. @throws {ZdsError} `ZDS_MALFORMED`. */
export function decodeHello(bytes: Uint8Array): number {
  try {
    return fromBinary(ZdsHelloSchema, bytes).version;
  } catch (cause) {
    throw new ZdsError('ZDS_MALFORMED', `hello of ${bytes.length} bytes does not decode`, { cause });
  }
}

/** The answer to a request: success with an empty `error`. Longer texts are cut at 900 bytes of UTF-8. */
export function encodeAck(error = ''): Uint8Array {
  const ack = create(AckSchema, { error: cutText(error) });
  return toBinary(WorkloadResponseSchema, create(WorkloadResponseSchema, { payload: { case: 'ack', value: ack } }));
}

/** The error text of an answer, empty for success. @throws {ZdsError} `ZDS_MALFORMED` also if it holds no ack. */
export function decodeAck(bytes: Uint8Array): string {
  let payload;
  try {
    payload = fromBinary(WorkloadResponseSchema, bytes).payload;
  } catch (cause) {
    throw new ZdsError('ZDS_MALFORMED', `answer of ${bytes.length} bytes does not decode`, { cause });
  }
  if (payload.case === undefined) throw new ZdsError('ZDS_MALFORMED', `answer of ${bytes.length} bytes holds no ack`);
  return payload.value.error;
}

/** The packet of a request; an `add` goes out with one descriptor, the others without. */
export function encodeRequest(request: ZdsRequest): Uint8Array {
  return toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, { payload: buildPayload(request) }));
}

/**
 * Reads a packet as ztunnel does (spec zds.md §4): too many descriptors, cut packet, not decodable, no payload, and the pairing of payload
 * and descriptor, in this order. Pure: the descriptors stay the caller's. Never throws.
 */
export function decodeRequest({ bytes, descriptorCount, truncated }: PacketFacts): RequestReading {
  if (descriptorCount > 1) return { problem: `Expected 1 FD, got ${descriptorCount}` };
  if (truncated) return { problem: 'received truncated message' };
  const wireError = findWireError(bytes);
  if (wireError !== undefined) return { problem: wireError };
  let message: WorkloadRequest;
  try {
    message = fromBinary(WorkloadRequestSchema, bytes);
  } catch (error) {
    return { problem: `failed to decode Protobuf message: ${error instanceof Error ? error.message : String(error)}` };
  }
  const request = readPayload(message.payload);
  if (request === undefined) return { problem: 'no payload' };
  if (request.type === 'add') return descriptorCount === 1 ? { request } : { problem: 'No control message' };
  return descriptorCount === 0 ? { request } : { problem: 'Unexpected control message' };
}

function readPayload(payload: WorkloadRequest['payload']): ZdsRequest | undefined {
  switch (payload.case) {
    case 'add': {
      const info = payload.value.workloadInfo;
      return {
        type: 'add',
        uid: payload.value.uid,
        info: info && { name: info.name, namespace: info.namespace, serviceAccount: info.serviceAccount },
      };
    }
    case 'keep':
      return { type: 'keep', uid: payload.value.uid };
    case 'del':
      return { type: 'delete', uid: payload.value.uid };
    case 'snapshotSent':
      return { type: 'snapshot-sent' };
    case undefined:
      return undefined;
  }
}

function buildPayload(request: ZdsRequest): WorkloadRequest['payload'] {
  switch (request.type) {
    case 'add': {
      const { uid, info } = request;
      const workloadInfo = info && create(WorkloadInfoSchema, info);
      return {
        case: 'add',
        value: create(AddWorkloadSchema, workloadInfo === undefined ? { uid } : { uid, workloadInfo }),
      };
    }
    case 'keep':
      return { case: 'keep', value: create(KeepWorkloadSchema, { uid: request.uid }) };
    case 'delete':
      return { case: 'del', value: create(DelWorkloadSchema, { uid: request.uid }) };
    case 'snapshot-sent':
      return { case: 'snapshotSent', value: create(SnapshotSentSchema) };
  }
}

function cutText(text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= MAX_ERROR_BYTES) return text;
  let end = MAX_ERROR_BYTES;
  // Not within a character: continuation bytes are 10xxxxxx.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return new TextDecoder().decode(bytes.subarray(0, end));
}
