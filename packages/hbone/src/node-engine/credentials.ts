import { constants } from 'node:crypto';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { Credentials, CredentialsSource, Engine } from '../engine.ts';
import { credentialsFailure } from '../engine-rules/credentials-failure.ts';
import {
  CIPHER_SUITES,
  GROUP_LISTS,
  SIGNATURE_SCHEMES,
  SSL_OP_NO_ENCRYPT_THEN_MAC,
} from '../engine-rules/tls-parameters.ts';
import { nodeTls } from './node-tls.ts';

/** Which of `GROUP_LISTS` this OpenSSL takes; tried once. */
let groups: string | undefined;

/** Credentials as a context of `node:tls`. */
export class NodeCredentials implements Credentials {
  readonly engine: Engine;
  readonly context: SecureContext;

  /** Throws HBONE_CREDENTIALS_INVALID when the certificate, the key or a root cannot be read or do not belong together. */
  constructor(engine: Engine, source: CredentialsSource) {
    this.engine = engine;
    try {
      // OpenSSL skips what is no certificate, and then trusts nobody.
      if (!source.rootsPem.some((pem) => pem.includes('-----BEGIN'))) throw new Error('no root');
      this.context = nodeTls().createSecureContext({
        ...parameters(),
        cert: source.chainPem,
        key: source.privateKeyPem,
        ca: [...source.rootsPem],
      });
    } catch (cause) {
      throw credentialsFailure(source, cause);
    }
  }
}

/** hbone.md §1.1 */
function parameters(): SecureContextOptions {
  return {
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: CIPHER_SUITES,
    ecdhCurve: (groups ??= supportedGroups()),
    sigalgs: SIGNATURE_SCHEMES,
    secureOptions: constants.SSL_OP_NO_TICKET | SSL_OP_NO_ENCRYPT_THEN_MAC,
  };
}

let empty: SecureContext | undefined;

/** A context of the same parameters that has neither certificate nor roots. */
export function emptyContext(): SecureContext {
  return (empty ??= nodeTls().createSecureContext({ ...parameters(), ca: [] }));
}

function supportedGroups(): string {
  for (const candidate of GROUP_LISTS) {
    try {
      nodeTls().createSecureContext({ ecdhCurve: candidate });
      return candidate;
    } catch {
      // The next one is a subset that every OpenSSL 3 has.
    }
  }
  return GROUP_LISTS[1];
}
