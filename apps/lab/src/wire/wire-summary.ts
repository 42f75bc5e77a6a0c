import { decodeTcpFrame, type Endpoint } from './frame.ts';
import { assembleStreams, type DirectedStream, isTls, listTlsRecords, type TlsRecordHeader } from './stream-content.ts';

/** Where ztunnels listen for tunnels. */
const HBONE_PORT = 15_008;
/** A request line or status line of HTTP/1. */
const HTTP_LINE = /^(?:[A-Z]{3,8} \S+ HTTP\/1\.[01]|HTTP\/1\.[01] \d{3})/;

/** Kinds of content as people read them. */
export const CONTENT_NAMES = { tls: 'TLS', http: 'HTTP, readable', unknown: 'unknown' } as const;

/** Segments with data that went to (or came from) one server port. */
export interface PortCount {
  readonly port: number;
  readonly frames: number;
  /** Of application data, TCP payload. */
  readonly bytes: number;
  /** `tls`: whole records from the first byte on; `http`: readable HTTP/1; otherwise unknown. */
  readonly content: keyof typeof CONTENT_NAMES;
}

/** What was seen on a wire. */
export interface WireSummary {
  readonly ports: readonly PortCount[];
  readonly streams: readonly DirectedStream[];
  /** First lines of HTTP/1 messages that anybody on the wire could read. */
  readonly readableHttp: readonly { readonly from: Endpoint; readonly to: Endpoint; readonly text: string }[];
  /** Headers of TLS records to and from port 15008. */
  readonly tlsRecords: readonly TlsRecordHeader[];
  /** There was traffic, and all of it was TLS on port 15008. */
  readonly onlyTunnels: boolean;
}

/** Reads captured frames: which ports, what content. Segments without data do not count; the lower port is the server's. */
export function summarizeWire(frames: readonly Uint8Array[]): WireSummary {
  const segments = frames.map(decodeTcpFrame).filter((segment) => segment !== undefined);
  const streams = assembleStreams(segments).filter((stream) => stream.bytes.length > 0);
  const ports = new Map<number, DirectedStream[]>();
  for (const stream of streams) {
    const port = serverPortOf(stream);
    ports.set(port, [...(ports.get(port) ?? []), stream]);
  }
  const counts = [...ports]
    .map(([port, ofPort]) => ({
      port,
      frames: segments.filter((segment) => segment.payload.length > 0 && serverPortOf(segment) === port).length,
      bytes: ofPort.reduce((sum, stream) => sum + stream.bytes.length, 0),
      content: contentOf(ofPort),
    }))
    .toSorted((a, b) => a.port - b.port);
  return {
    ports: counts,
    streams,
    readableHttp: streams.flatMap((stream) => {
      const line = firstLine(stream.bytes);
      return HTTP_LINE.test(line) ? [{ from: stream.source, to: stream.destination, text: headOf(stream.bytes) }] : [];
    }),
    tlsRecords: streams
      .filter((stream) => serverPortOf(stream) === HBONE_PORT)
      .flatMap((stream) => listTlsRecords(stream.bytes)),
    onlyTunnels: counts.length > 0 && counts.every(({ port, content }) => port === HBONE_PORT && content === 'tls'),
  };
}

/** Whether `text` occurs in the bytes of any stream, as it would if it were sent in the clear. */
export function containsText(streams: readonly DirectedStream[], text: string): boolean {
  return streams.some((stream) => stream.bytes.includes(text));
}

function serverPortOf(stream: { readonly source: Endpoint; readonly destination: Endpoint }): number {
  return Math.min(stream.source.port, stream.destination.port);
}

function contentOf(streams: readonly DirectedStream[]): PortCount['content'] {
  if (streams.every((stream) => isTls(stream.bytes))) return 'tls';
  return streams.some((stream) => HTTP_LINE.test(firstLine(stream.bytes))) ? 'http' : 'unknown';
}

function firstLine(bytes: Buffer): string {
  const end = bytes.indexOf('\r\n');
  return bytes.toString('latin1', 0, end < 0 ? Math.min(bytes.length, 200) : end);
}

/** The head of an HTTP/1 message. */
function headOf(bytes: Buffer): string {
  const end = bytes.indexOf('\r\n\r\n');
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
}
