import { readFile } from 'node:fs/promises';
import { createKeyAndCsr, parseSpiffeId, parseWorkloadCertificate, SpiffeError } from '@ambientmesh/spiffe';
import type { CaClient } from '@ambientmesh/xds';
import type { Logger } from '../../log/logger.ts';
import type { CaConfig } from '../config/config.ts';
import { ZtunnelError } from '../errors.ts';
import type { CertificateSource, FetchedCertificate } from './certificate-source.ts';

export interface CaSourceOptions {
  readonly ca: CaConfig;
  readonly clusterId: string;
  readonly validitySeconds: number;
  /** Of the module `identity::caclient`. */
  readonly logger: Logger;
}

/** Certificates from the mesh's certificate authority, one new key each (spec ztunnel.md §4, §8). */
export class CaSource implements CertificateSource {
  readonly #options: CaSourceOptions;
  #client: CaClient | undefined;
  #rootPem = '';

  constructor(options: CaSourceOptions) {
    this.#options = options;
  }

  async fetch(identity: string, signal: AbortSignal): Promise<FetchedCertificate> {
    const id = parseSpiffeId(identity);
    if (id === undefined)
      throw new ZtunnelError('ZTUNNEL_CERTIFICATE', `failed to create CSR: ${identity} is no SPIFFE ID`);
    const client = await this.#connectable();
    const { csrPem, privateKeyPem } = await createKeyAndCsr(id);
    const chain = await client.createCertificate({
      csrPem,
      validitySeconds: this.#options.validitySeconds,
      impersonate: identity,
      signal,
    });
    const { logger } = this.#options;
    if (chain.length === 1) logger.warn([], `no chain certs for: ${identity}`);
    try {
      const certificate = parseWorkloadCertificate({ privateKeyPem, chain, expected: id });
      for (const reason of certificate.skippedRoots) logger.warn([], `root certificate left out: ${reason}`);
      const { chainPem, rootsPem, serialNumber, notBeforeEpochMs, notAfterEpochMs } = certificate;
      return {
        material: { identity, chainPem, privateKeyPem, rootsPem },
        serialNumber,
        notBeforeEpochMs,
        notAfterEpochMs,
      };
    } catch (error) {
      if (error instanceof SpiffeError && error.code === 'SPIFFE_SAN_UNEXPECTED')
        logger.error([], `expected identity ${identity}, got another one`);
      throw error;
    }
  }

  /** Lets go of the connection. Idempotent. */
  async close(): Promise<void> {
    await this.#client?.close();
  }

  /** The client; it trusts what the root file says now, and goes on with the old roots if the file cannot be read. */
  async #connectable(): Promise<CaClient> {
    const { ca, clusterId, logger } = this.#options;
    try {
      const rootPem = await readRoot(ca);
      if (this.#client === undefined) {
        // Not before it is needed: gRPC is half of the program.
        const { CaClient } = await import('@ambientmesh/xds');
        this.#client ??= new CaClient({
          address: ca.address,
          rootPem,
          altHostname: ca.alternativeHostname,
          token: () => readToken(ca),
          clusterId,
          headers: Object.fromEntries(ca.headers),
        });
      } else if (rootPem !== this.#rootPem) this.#client.rootChanged(rootPem);
      this.#rootPem = rootPem;
      return this.#client;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (this.#client === undefined)
        throw new ZtunnelError('ZTUNNEL_CERTIFICATE', `failed to create CA client: ${why}`, { cause: error });
      logger.warn([], `cannot use the new roots of the certificate authority, keeping the old: ${why}`);
      return this.#client;
    }
  }
}

function readRoot({ rootCert }: CaConfig): Promise<string> {
  if (rootCert.kind === 'file') return readFile(rootCert.path, 'utf8');
  return Promise.resolve(rootCert.kind === 'literal' ? rootCert.text : 'SYSTEM');
}

async function readToken(ca: CaConfig): Promise<string> {
  if (ca.authToken === undefined) throw new Error('none is configured (set AUTH_TOKEN)');
  const text = ca.authToken.kind === 'file' ? await readFile(ca.authToken.path, 'utf8') : ca.authToken.text;
  return text.trim();
}
