import { X509Certificate } from 'node:crypto';
import type { CertificateStatus } from '../control-protocol.ts';

/** More than any lab needs; older ones are forgotten. */
const MAX_RECORDS = 10_000;

/** What the lab's authority has certified, oldest first. */
export class IssuedCertificates {
  readonly #records: CertificateStatus[] = [];

  /** Notes the leaf of a chain it has issued to `node`. */
  add(node: string, leafPem: string): void {
    const certificate = new X509Certificate(leafPem);
    this.#records.push({
      spiffeId: (certificate.subjectAltName ?? '').replace(/^URI:/, ''),
      node,
      serial: certificate.serialNumber.toLowerCase(),
      notBefore: new Date(certificate.validFrom).toISOString(),
      notAfter: new Date(certificate.validTo).toISOString(),
    });
    if (this.#records.length > MAX_RECORDS) this.#records.shift();
  }

  list(): readonly CertificateStatus[] {
    return this.#records;
  }
}
