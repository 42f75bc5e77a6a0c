import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { CredentialsSource } from '../engine.ts';
import { HboneError } from '../errors.ts';

/** HBONE_CREDENTIALS_INVALID for credentials of which an engine could make nothing: names the part that is to blame. */
export function credentialsFailure(source: CredentialsSource, cause: unknown): HboneError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const message = `certificate, key or roots not usable: ${unusablePart(source ?? {})} (${text})`;
  return new HboneError('HBONE_CREDENTIALS_INVALID', message, { cause });
}

function unusablePart({ chainPem, privateKeyPem, rootsPem }: Partial<CredentialsSource>): string {
  const parts: readonly (readonly [string, () => unknown])[] = [
    ['chainPem is no certificate in PEM', () => new X509Certificate(chainPem ?? '')],
    ['privateKeyPem is no key in PEM', () => createPrivateKey(privateKeyPem ?? '')],
    ['rootsPem is no list of certificates in PEM', () => (rootsPem?.length ? rootsPem : ['']).map(certificate)],
  ];
  for (const [fault, read] of parts)
    try {
      read();
    } catch {
      return fault;
    }
  return 'chainPem and privateKeyPem do not belong together, or are not usable';
}

function certificate(pem: string): X509Certificate {
  return new X509Certificate(pem);
}
