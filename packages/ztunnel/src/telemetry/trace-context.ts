import { randomBytes } from 'node:crypto';

/** Names one connection in the logs of both ends. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
}

/** Bytes of randomness drawn at once: one draw costs microseconds, a context takes 24 bytes. */
const POOL_BYTES = 4_096;
let pool = Buffer.alloc(0);

export function newTraceContext(): TraceContext {
  if (pool.length < 24) pool = randomBytes(POOL_BYTES);
  const hex = pool.toString('hex', 0, 24);
  pool = pool.subarray(24);
  return { traceId: hex.slice(0, 32), spanId: hex.slice(32) };
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace id of a `traceparent` header; undefined if it is none. */
export function parseTraceId(header: string): string | undefined {
  return TRACEPARENT.exec(header)?.[1];
}

export function renderTraceparent({ traceId, spanId }: TraceContext): string {
  return `00-${traceId}-${spanId}-00`;
}
