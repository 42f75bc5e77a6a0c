import { constants } from 'node:crypto';
import { type ConnectionOptions, createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls';
import type { WorkloadCertificate } from './workload-certificate.ts';

/** In order of preference; no ChaCha20, as the reference. */
const CIPHERS = 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256';
const CLASSIC_GROUPS = 'X25519:P-256:P-384';
/** The post-quantum hybrid comes with OpenSSL 3.5, which Node 22 does not have. */
const HYBRID_GROUPS = `${CLASSIC_GROUPS}:X25519MLKEM768`;

let offeredGroups: string | undefined;

/** What a TLS endpoint of the mesh needs of its workload's certificate. */
export type TlsIdentity = Pick<WorkloadCertificate, 'privateKeyPem' | 'chainPem' | 'rootsPem'>;

/**
 * Options for `node:tls` in the mesh: TLS 1.3, the reference's suites and groups, ALPN h2, no resumption, both sides
 * authenticated. OpenSSL then checks chain, dates and extended key usage against the certificate's roots. The peer's
 * SAN stays for the caller to check before the first byte: `verifyClientPeer` or `verifyServerPeer`.
 */
export function tlsOptions(role: 'server', certificate: TlsIdentity): TlsOptions;
export function tlsOptions(role: 'client', certificate: TlsIdentity): ConnectionOptions;
export function tlsOptions(role: 'client' | 'server', certificate: TlsIdentity): TlsOptions | ConnectionOptions {
  const both: SecureContextOptions & Pick<TlsOptions, 'ALPNProtocols' | 'rejectUnauthorized'> = {
    key: certificate.privateKeyPem,
    cert: certificate.chainPem,
    ca: [...certificate.rootsPem],
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    ecdhCurve: keyExchangeGroups(),
    ALPNProtocols: ['h2'],
    // A resumed session would skip the check of dates and roots. Without tickets, OpenSSL has only the session cache,
    // which Node keeps empty.
    secureOptions: constants.SSL_OP_NO_TICKET,
    rejectUnauthorized: true,
  };
  if (role === 'server') return { ...both, requestCert: true };
  // Peers are named by SPIFFE IDs, never by host names: no SNI, and no host name check.
  return { ...both, servername: '', checkServerIdentity: () => undefined };
}

/** The groups for `ecdhCurve`: the reference's list, without the hybrid where this OpenSSL lacks it. */
function keyExchangeGroups(): string {
  offeredGroups ??= hasGroups(HYBRID_GROUPS) ? HYBRID_GROUPS : CLASSIC_GROUPS;
  return offeredGroups;
}

function hasGroups(groups: string): boolean {
  try {
    createSecureContext({ ecdhCurve: groups });
    return true;
  } catch {
    return false;
  }
}
