import { CLIENT_PREFACE, FRAME_HEADER_BYTES, readUint24, readUint31 } from '../core/frame.ts';
import { settings, settingsAck, uint32 } from '../core/testing/frames.ts';

/** A frame of a byte stream; `payload` is a view. */
export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

/** Payload of a SETTINGS frame, hexadecimal. */
export function buildSettings(pairs: readonly (readonly [id: number, value: number])[]): string {
  return pairs.map(([id, value]) => id.toString(16).padStart(4, '0') + uint32(value)).join('');
}

/** What a well-behaved peer of a codec in this role says first: preface if it is a client, SETTINGS, the ACK of ours. */
export function buildGreeting(role: 'client' | 'server'): Buffer {
  return Buffer.concat([...(role === 'server' ? [CLIENT_PREFACE] : []), settings(), settingsAck()]);
}

/** Cuts bytes into whole frames and what is left behind them; a preface in front is skipped. */
export function cutFrames(bytes: Uint8Array): { readonly frames: RawFrame[]; readonly rest: Uint8Array } {
  const frames: RawFrame[] = [];
  let at = startsWithPreface(bytes) ? CLIENT_PREFACE.length : 0;
  while (at + FRAME_HEADER_BYTES <= bytes.length) {
    const end = at + FRAME_HEADER_BYTES + readUint24(bytes, at);
    if (end > bytes.length) break;
    const payload = bytes.subarray(at + FRAME_HEADER_BYTES, end);
    frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, id: readUint31(bytes, at + 5), payload });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

function startsWithPreface(bytes: Uint8Array): boolean {
  return CLIENT_PREFACE.every((octet, at) => bytes[at] === octet);
}
