import type { CertificateMaterial } from '../../data-plane/protocol.ts';

/** A certificate and when it holds; times in milliseconds since 1970. */
export interface FetchedCertificate {
  readonly material: CertificateMaterial;
  /** Of the leaf, decimal. */
  readonly serialNumber: string;
  readonly notBeforeEpochMs: number;
  readonly notAfterEpochMs: number;
}

/** Makes a key, has it certified and checks the answer. Rejects with the text for logs and connections in `message`. */
export interface CertificateSource {
  fetch(identity: string, signal: AbortSignal): Promise<FetchedCertificate>;
}

/** Time as the manager sees it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `action` once after `delayMs`; the result cancels it. */
  schedule(delayMs: number, action: () => void): () => void;
}

/** The machine's clock; its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  schedule: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
