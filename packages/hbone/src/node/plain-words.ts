import { ErrorCode } from '../core/error-code.ts';
import type { ConnectionFailure } from '../engine.ts';
import { errorCodeText, type StreamFailure } from '../tunnel/stream-failure.ts';
import type { PeerRefusal } from './verify-peer.ts';

/** Who is at the other end. */
export type Peer = 'client' | 'server';

/** What a certificate is, by the reference's word for it. */
const CERTIFICATE_FAULTS: readonly (readonly [RegExp, string])[] = [
  [/^UnknownIssuer/, 'does not lead to a trusted root'],
  [/^Expired/, 'has expired'],
  [/^NotValidYet/, 'is not valid yet'],
  [/^InvalidPurpose/, 'is for another purpose than this'],
  [/^Revoked/, 'is revoked'],
  [/^BadSignature/, 'has a wrong signature'],
];
/** What else ends a handshake; `PEER` is the other end. */
const HANDSHAKE_FAULTS: readonly (readonly [RegExp, string])[] = [
  [/NoCertificatesPresented/, 'the PEER presented no certificate'],
  [/ConnectionReset|Connection reset/, 'the PEER reset the connection during the handshake'],
  [/tls handshake eof/, 'the PEER closed the connection during the handshake'],
  [/InvalidContentType/, 'the PEER does not speak TLS'],
  [/NoApplicationProtocol/, 'the PEER does not offer HTTP/2 (ALPN h2)'],
  [/SupportedVersions|ProtocolVersion/, 'the PEER does not speak TLS 1.3'],
];
const CERTIFICATE = /^(?:.*?error: )?(?:invalid peer certificate: |InvalidCertificate\()(.*)$/;
const VALIDITY_BOUND = /not_(?:after|before): UnixTime\((\d+)\)/;
const ALERT = /(?:received fatal alert: |AlertReceived\()(\w+)/;
/** RFC 8446 6.2: alerts about the receiver's certificate. */
const CERTIFICATE_ALERT = /Certificate|UnknownCA|AccessDenied/;
const CODE_NAMES = new Map<number, string>(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

/** What a failed handshake comes down to. `refusal`: what `verify` said. */
export function handshakeText(peer: Peer, { message, detail }: ConnectionFailure, refusal?: PeerRefusal): string {
  if (refusal !== undefined) return `verify refused the ${peer}'s certificate: ${refusalText(refusal)}`;
  const certificate = CERTIFICATE.exec(message)?.[1];
  if (certificate !== undefined) return `the ${peer}'s certificate ${certificateText(certificate)}`;
  const alert = ALERT.exec(message)?.[1];
  if (alert !== undefined && CERTIFICATE_ALERT.test(alert))
    return `the ${peer} refused our certificate (alert ${alert})`;
  const fault = HANDSHAKE_FAULTS.find(([pattern]) => pattern.test(message))?.[1];
  if (fault !== undefined) return fault.replace('PEER', peer);
  if (alert !== undefined) return `the ${peer} ended the handshake (alert ${alert})`;
  return withDetail(message, detail);
}

/** Why a connection is gone. */
export function connectionText({ code, message, detail }: ConnectionFailure): string {
  switch (code) {
    case 'ABORTED':
      return 'its owner cut the connection, by abort() or a deadline of close()';
    case 'EOF':
      return 'the connection ended';
    case 'EPIPE':
      return 'the connection is gone, or the other end no longer answers';
    case 'ECONNRESET':
      return 'the connection was reset';
    default:
      return withDetail(message, detail);
  }
}

/** Why a stream is gone, other than by its connection. */
export function resetText({ code, local }: StreamFailure & { readonly kind: 'reset' }): string {
  const who = local ? 'reset for a fault of the other end' : 'reset by the other end';
  return `${who}: ${CODE_NAMES.get(code) ?? code}, ${errorCodeText(code)}`;
}

function refusalText(refusal: PeerRefusal): string {
  return typeof refusal === 'string' ? refusal : (refusal.message ?? refusal.certificateError);
}

function certificateText(words: string): string {
  const fault = CERTIFICATE_FAULTS.find(([pattern]) => pattern.test(words))?.[1];
  if (fault === undefined) return `was not accepted: ${words}`;
  const bound = VALIDITY_BOUND.exec(words)?.[1];
  return bound === undefined ? fault : `${fault} (${new Date(Number(bound) * 1000).toISOString()})`;
}

function withDetail(message: string, detail: string | undefined): string {
  return detail === undefined ? message : `${message} (${detail})`;
}
