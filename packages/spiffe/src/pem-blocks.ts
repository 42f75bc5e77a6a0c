import { X509Certificate } from 'node:crypto';

const BEGIN = '-----BEGIN CERTIFICATE-----';
const END = '-----END CERTIFICATE-----';

/** The certificates of a PEM text, and one line for each block that is none. */
export interface PemCertificates {
  readonly certificates: readonly X509Certificate[];
  /** Reasons, each naming the block's place in the text, counted from 1. */
  readonly skipped: readonly string[];
}

/** Reads every CERTIFICATE block of `text`; whatever lies between blocks is ignored. Never throws. */
export function readPemCertificates(text: string): PemCertificates {
  const certificates: X509Certificate[] = [];
  const skipped: string[] = [];
  let place = 0;
  for (let start = text.indexOf(BEGIN); start >= 0; place++) {
    const end = text.indexOf(END, start);
    const next = text.indexOf(BEGIN, start + BEGIN.length);
    if (end < 0 || (next >= 0 && next < end)) {
      skipped.push(`certificate ${place + 1}: no end line`);
    } else {
      try {
        certificates.push(new X509Certificate(text.slice(start, end + END.length)));
      } catch (error) {
        skipped.push(`certificate ${place + 1}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    start = next;
  }
  return { certificates, skipped };
}
