import type { ConnectionFailure } from '../engine.ts';
import { type StreamFailure, streamFailureText } from '../tunnel/stream-failure.ts';

/** `send`: from the end that opened the connection to the other; `receive`: back. */
export type Direction = 'send' | 'receive';

/** Why a relay did not end well. */
export interface RelayFailure {
  readonly direction: Direction;
  /** It failed when its end was passed on, after all bytes were. */
  readonly closing: boolean;
  /** In the words of the access log (ztunnel.md §11.1). */
  readonly text: string;
}

/** What the owner of a relay hears: bytes as they pass, and the end, once. */
export interface RelayObserver {
  /** Bytes passed on from the end that opened the connection. */
  fromFirst(bytes: number): void;
  /** Bytes passed on to the end that opened the connection. */
  fromSecond(bytes: number): void;
  /** Both directions ended and both sockets are given up. Resets count as ends; see hbone.md §5. */
  finished(failure?: RelayFailure): void;
}

/** Failures that mean "the other end is gone" and count as the end of a direction. */
const GONE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ENOTCONN', 'ECONNABORTED', 'EOF']);

const NO_ERROR = 0;
const STREAM_CLOSED = 5;
const CANCEL = 8;

/** Whether a socket's failure is no error but the end. */
export function isGone(failure: ConnectionFailure): boolean {
  return GONE.has(failure.code);
}

/** A socket failed in a way that is an error. */
export function socketFailed(direction: Direction, failure: ConnectionFailure): RelayFailure | undefined {
  if (isGone(failure)) return undefined;
  return { direction, closing: false, text: `${direction}: io error: ${failure.message}` };
}

/** What it means for the direction that was reading from the stream. */
export function readFailed(direction: Direction, failure: StreamFailure): RelayFailure | undefined {
  if (failure.kind === 'reset' ? isQuietReset(failure.code) : isGone(failure.failure)) return undefined;
  return { direction, closing: false, text: `${direction}: io error: ${streamFailureText(failure)}` };
}

/** What it means for the direction that has to end its side of a stream that no longer exists. */
export function endFailed(direction: Direction, failure: StreamFailure): RelayFailure | undefined {
  const text = endText(failure);
  if (text === undefined) return undefined;
  return { direction, closing: true, text: `while closing connection: ${direction}: io error: ${text}` };
}

/** The connection ended in an orderly way while bytes still had to be written to the stream. */
export function writeCutShort(direction: Direction): RelayFailure {
  const end = direction === 'send' ? 'destination' : 'client';
  return { direction, closing: false, text: `${direction}: ${end} disconnected before all data was written` };
}

function endText(failure: StreamFailure): string | undefined {
  if (failure.kind !== 'reset') return failure.failure.code === 'EOF' ? undefined : streamFailureText(failure);
  if (failure.code === NO_ERROR) return undefined;
  return isQuietReset(failure.code) ? 'broken pipe' : streamFailureText(failure);
}

function isQuietReset(code: number): boolean {
  return code === NO_ERROR || code === CANCEL || code === STREAM_CLOSED;
}
