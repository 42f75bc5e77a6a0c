import { webcrypto } from 'node:crypto';
import {
  type CertificateSpec,
  checkedLifetime,
  createCertificate,
  createRevocationList,
  type Signer,
} from './certificate-template.ts';
import { SpiffeError } from './errors.ts';
import { renderPrivateKey } from './signing-request.ts';
import { readSigningRequest } from './signing-request-check.ts';
import { checkedSpiffeUri, type SpiffeId } from './spiffe-id.ts';

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
/** Certificates are valid from a little before they are made: the clocks of nodes differ. */
const BACKDATE_MS = 2 * 60_000;
/** Ten years, as the reference's self-signed root. */
const DEFAULT_ROOT_VALIDITY_MS = 3_650 * 24 * 3_600_000;
/** Longest lifetime of a server certificate of the authority itself. */
const DEFAULT_SERVER_VALIDITY_MS = 365 * 24 * 3_600_000;
/** Letters, digits and hyphens in labels joined by dots: what Kubernetes allows in these names, and no more. */
const DNS_NAME = /^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$/;
/** Of a whole DNS name, RFC 1035 2.3.4. */
const MAX_DNS_NAME_CHARS = 253;

/** How to make an authority. */
export interface CertificateAuthorityOptions {
  readonly trustDomain: string;
  /** Lifetime of the root (and the intermediate) in milliseconds; ten years if absent. */
  readonly validityMs?: number;
  /** Sign with an intermediate instead of the root; no by default. */
  readonly intermediate?: boolean;
  /** Epoch milliseconds; `Date.now` if absent. */
  readonly now?: () => number;
}

/** What to certify, beside the key in the request. */
export interface SignOptions {
  readonly id: SpiffeId;
  /** Milliseconds, counted from now (or from `notBeforeEpochMs`); cut to the authority's own end. */
  readonly validityMs: number;
  /** Two minutes ago if absent. */
  readonly notBeforeEpochMs?: number;
}

/** Names of a TLS server; `ips` in text form. */
export interface ServerNames {
  readonly dnsNames: readonly string[];
  readonly ips: readonly string[];
  /** Milliseconds; a year if absent. */
  readonly validityMs?: number;
}

/** A certificate with a key made for it. */
export interface IssuedCertificate {
  /** PKCS#8. */
  readonly privateKeyPem: string;
  /** Leaf, then intermediates. */
  readonly chainPem: string;
  /** As an answer of `CreateCertificate`: leaf, intermediates, root bundle. */
  readonly chain: readonly string[];
}

/** A self-contained certificate authority of one trust domain; its keys (ECDSA P-256) live in memory only. */
export class CertificateAuthority {
  readonly trustDomain: string;
  /** The root that verifies everything signed here. */
  readonly rootPem: string;
  readonly #signer: Signer;
  readonly #root: Signer;
  /** Between leaf and root, leaf's issuer first. */
  readonly #intermediatesPem: readonly string[];
  readonly #now: () => number;

  private constructor(trustDomain: string, made: MadeAuthority, now: () => number) {
    this.trustDomain = trustDomain;
    this.rootPem = made.rootPem;
    this.#signer = made.signer;
    this.#root = made.root;
    this.#intermediatesPem = made.intermediatesPem;
    this.#now = now;
  }

  /** Makes root key and certificate. Throws SPIFFE_ID_INVALID for a trust domain that is no DNS name. */
  static async create(options: CertificateAuthorityOptions): Promise<CertificateAuthority> {
    const { trustDomain, now = Date.now } = options;
    if (!isDnsName(trustDomain))
      throw new SpiffeError('SPIFFE_ID_INVALID', `trust domain ${JSON.stringify(trustDomain)}: want a DNS name`);
    return new CertificateAuthority(trustDomain, await makeAuthority(options, now()), now);
  }

  /**
   * Certifies the public key of `csrPem` (PEM, PKCS#10) for `options.id`; nothing else in the request counts. The
   * answer is that of `CreateCertificate`: leaf, intermediates, root bundle.
   * Throws SPIFFE_CSR_INVALID; SPIFFE_SIGNING_REFUSED for a foreign trust domain, a namespace or account that
   * Kubernetes would not allow, a lifetime that is not positive or an authority that has expired.
   */
  async sign(csrPem: string, options: SignOptions): Promise<string[]> {
    const { id } = options;
    if (id.trustDomain !== this.trustDomain || !isDnsName(id.namespace) || !isDnsName(id.serviceAccount))
      throw new SpiffeError(
        'SPIFFE_SIGNING_REFUSED',
        `not signing for ${JSON.stringify(id)}: want trust domain ${this.trustDomain} and DNS names`,
      );
    const uri = checkedSpiffeUri(id);
    const publicKey = await readSigningRequest(csrPem);
    const notBeforeEpochMs = options.notBeforeEpochMs ?? this.#now() - BACKDATE_MS;
    const notAfterEpochMs = (options.notBeforeEpochMs ?? this.#now()) + options.validityMs;
    const lifetime = checkedLifetime(this.#signer, { notBeforeEpochMs, notAfterEpochMs }, this.#now());
    const leaf = await createCertificate(this.#signer, publicKey, { uris: [uri], ...lifetime });
    return this.#chain(leaf);
  }

  /** A certificate for a TLS server of the authority's own, such as the one that answers signing requests. */
  async issueServer(names: ServerNames): Promise<{ readonly certPem: string; readonly keyPem: string }> {
    const lifetime = checkedLifetime(
      this.#signer,
      {
        notBeforeEpochMs: this.#now() - BACKDATE_MS,
        notAfterEpochMs: this.#now() + (names.validityMs ?? DEFAULT_SERVER_VALIDITY_MS),
      },
      this.#now(),
    );
    const { dnsNames, ips } = names;
    const issued = await this.issue({ dnsNames, ips, usages: ['serverAuth'], ...lifetime });
    return { certPem: issued.chainPem, keyPem: issued.privateKeyPem };
  }

  /**
   * Certifies a new key for exactly what `spec` says, sensible or not: expired, foreign, of the wrong usage. Nothing is
   * checked, so this is for tests and for names that do not come from outside.
   */
  async issue(spec: Partial<CertificateSpec>): Promise<IssuedCertificate> {
    const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
    const notBeforeEpochMs = this.#now() - BACKDATE_MS;
    const notAfterEpochMs = this.#now() + DEFAULT_SERVER_VALIDITY_MS;
    const leaf = await createCertificate(this.#signer, keys.publicKey, { notBeforeEpochMs, notAfterEpochMs, ...spec });
    return {
      privateKeyPem: renderPrivateKey(keys.privateKey),
      chainPem: [leaf, ...this.#intermediatesPem].join(''),
      chain: this.#chain(leaf),
    };
  }

  /**
   * A revocation list (PEM) of these serial numbers, in hexadecimal as `X509Certificate.serialNumber` has them. It is signed
   * by the key that signs leaves, or by the root, which is the one to revoke an intermediate.
   */
  async revocationList(serialNumbers: readonly string[], by: 'signer' | 'root' = 'signer'): Promise<string> {
    return createRevocationList(by === 'root' ? this.#root : this.#signer, serialNumbers, this.#now());
  }

  #chain(leafPem: string): string[] {
    return [leafPem, ...this.#intermediatesPem, this.rootPem];
  }
}

interface MadeAuthority {
  readonly rootPem: string;
  readonly signer: Signer;
  readonly root: Signer;
  readonly intermediatesPem: readonly string[];
}

async function makeAuthority(options: CertificateAuthorityOptions, nowEpochMs: number): Promise<MadeAuthority> {
  const lifetime = {
    notBeforeEpochMs: nowEpochMs - BACKDATE_MS,
    notAfterEpochMs: nowEpochMs + (options.validityMs ?? DEFAULT_ROOT_VALIDITY_MS),
  };
  const subject = [{ O: [options.trustDomain] }];
  const rootKeys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, false, ['sign', 'verify']);
  const root: Signer = { subject, keys: rootKeys, notAfterEpochMs: lifetime.notAfterEpochMs };
  const rootPem = await createCertificate(root, rootKeys.publicKey, { subject, authority: true, ...lifetime });
  if (options.intermediate !== true) return { rootPem, signer: root, root, intermediatesPem: [] };
  const ownSubject = [...subject, { CN: ['intermediate'] }];
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, false, ['sign', 'verify']);
  const pem = await createCertificate(root, keys.publicKey, { subject: ownSubject, authority: true, ...lifetime });
  const signer: Signer = { subject: ownSubject, keys, notAfterEpochMs: lifetime.notAfterEpochMs };
  return { rootPem, signer, root, intermediatesPem: [pem] };
}

function isDnsName(text: string): boolean {
  return text.length <= MAX_DNS_NAME_CHARS && DNS_NAME.test(text);
}
