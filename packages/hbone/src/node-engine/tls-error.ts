import type { ConnectionFailure } from '../engine.ts';
import { alertFailure, carrierFailure, isPlainHttp, localFailure, type TlsRole } from '../engine-rules/tls-failure.ts';
import { errorCode, socketFailure } from './socket-failure.ts';

const REASON_PREFIX = 'ERR_SSL_';

/** An `error` event of a TLS socket, before or after the handshake. */
export function tlsFailure(role: TlsRole, error: Error): ConnectionFailure {
  const code = errorCode(error);
  if (!code.startsWith(REASON_PREFIX) && !code.startsWith('ERR_TLS_') && !code.startsWith('ERR_OSSL_'))
    return carrierFailure(role, socketFailure(error));
  const alert = /SSL alert number (\d+)/.exec(error.message)?.[1];
  return alert === undefined ? localFailure(role, code.slice(REASON_PREFIX.length)) : alertFailure(role, Number(alert));
}

/** Whether the peer spoke HTTP where TLS was due. */
export function hasSpokenHttp(error: Error): boolean {
  const code = errorCode(error);
  return code.startsWith(REASON_PREFIX) && isPlainHttp(code.slice(REASON_PREFIX.length));
}
