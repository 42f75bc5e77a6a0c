import type { ConnectionFailure } from '@ambientmesh/hbone';
import { alertFailure, isPlainHttp, localFailure, type TlsRole } from '@ambientmesh/hbone/engine';
import type { OpenSsl } from '../native/open-ssl.ts';
import {
  ERR_LIB_MASK,
  ERR_LIB_SHIFT,
  ERR_LIB_SSL,
  ERR_REASON_MASK,
  SSL_AD_REASON_OFFSET,
} from '../native/open-ssl-constants.ts';

/** What OpenSSL said when a call failed. */
export interface OpenSslFailure {
  readonly failure: ConnectionFailure;
  /** The peer spoke HTTP: OpenSSL sends it no alert. */
  readonly plainHttp: boolean;
}

/** Reads the oldest error of this thread's queue, and leaves the queue empty. */
export function takeOpenSslFailure(openSsl: OpenSsl, role: TlsRole): OpenSslFailure {
  const error = openSsl.peekError();
  const reason = error % (ERR_REASON_MASK + 1);
  const fromSsl = (Math.floor(error / 2 ** ERR_LIB_SHIFT) & ERR_LIB_MASK) === ERR_LIB_SSL;
  const name = (openSsl.text.ERR_reason_error_string(error) ?? 'internal error').toUpperCase().replaceAll(' ', '_');
  openSsl.call.ERR_clear_error();
  if (fromSsl && reason >= SSL_AD_REASON_OFFSET)
    return { failure: alertFailure(role, reason - SSL_AD_REASON_OFFSET), plainHttp: false };
  return { failure: localFailure(role, name), plainHttp: fromSsl && isPlainHttp(name) };
}

/** The oldest error of this thread's queue as a text, or `otherwise` if there is none; leaves the queue empty. */
export function takeOpenSslText(openSsl: OpenSsl, otherwise: string): string {
  const error = openSsl.peekError();
  const text = error === 0 ? otherwise : openSsl.errorText(error);
  openSsl.call.ERR_clear_error();
  return text;
}
