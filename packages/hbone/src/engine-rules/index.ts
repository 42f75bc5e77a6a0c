export { CLOSE_LIMITS, type CloseLimits } from './close-limits.ts';
export { credentialsFailure } from './credentials-failure.ts';
export { CHAIN_TOO_LONG, MAX_CHAIN } from './peer-chain-limit.ts';
export { QUEUE_LIMIT_BYTES, RESUME_ROOM_BYTES, TURN_BYTES } from './queue-limits.ts';
export { DEADLINE_TEXT, systemFailure } from './system-failure.ts';
export {
  alertFailure,
  carrierFailure,
  chainFailure,
  handshakeEnd,
  handshakeTimeout,
  isPlainHttp,
  localFailure,
  type TlsRole,
  verificationFailure,
} from './tls-failure.ts';
export {
  ALPN_PROTOCOL,
  CIPHER_SUITES,
  DECODE_ERROR_ALERT,
  GROUP_LISTS,
  SIGNATURE_SCHEMES,
  SSL_OP_NO_ENCRYPT_THEN_MAC,
} from './tls-parameters.ts';
