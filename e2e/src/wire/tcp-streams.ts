import { decodeTcpFrame, type TcpSegment } from './tcp-frame.ts';

/** One direction of a TCP connection whose beginning was seen. */
export interface TcpStream {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly bytes: Buffer;
}

/** All TCP segments among captured frames. */
export function tcpSegments(frames: readonly Buffer[]): TcpSegment[] {
  return frames.map(decodeTcpFrame).filter((segment) => segment !== undefined);
}

/** Puts together what each side said, up to the first gap. Directions that began before the capture are left out. */
export function tcpStreams(segments: readonly TcpSegment[]): TcpStream[] {
  const directions = Map.groupBy(segments, ({ source, destination }) => `${source} ${destination}`);
  return [...directions.values()].flatMap((parts) => {
    const first = parts.find((segment) => segment.syn);
    if (first === undefined) return [];
    const { source, destination, sourcePort, destinationPort, sequence } = first;
    return [{ source, destination, sourcePort, destinationPort, bytes: assemble(parts, sequence + 1) }];
  });
}

function assemble(parts: readonly TcpSegment[], start: number): Buffer {
  const pieces = parts
    .filter((segment) => segment.payload.length > 0)
    .map((segment) => ({ at: (segment.sequence - start) >>> 0, payload: segment.payload }))
    .toSorted((one, other) => one.at - other.at);
  const whole: Buffer[] = [];
  let next = 0;
  for (const { at, payload } of pieces) {
    if (at > next) break;
    const fresh = payload.subarray(next - at);
    if (at + payload.length > next) whole.push(fresh);
    next = Math.max(next, at + payload.length);
  }
  return Buffer.concat(whole);
}
