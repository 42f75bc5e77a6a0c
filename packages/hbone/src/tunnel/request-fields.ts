import type { Fields } from '../core/contract.ts';
import { HpackEncoder } from '../core/hpack/encoder.ts';
import { MAX_SENT_BLOCK_BYTES } from '../core/limits.ts';
import { evaluateRequest } from '../core/request.ts';

/** Throws RangeError for fields that `Codec.request` would not send. */
export function requireRequestFields(fields: Fields): void {
  if (evaluateRequest(fields) === undefined) throw new RangeError('malformed request header fields');
  if (HpackEncoder.maxEncodedBytes(fields) > MAX_SENT_BLOCK_BYTES)
    throw new RangeError(`request header fields need more than ${MAX_SENT_BLOCK_BYTES} octets`);
}
