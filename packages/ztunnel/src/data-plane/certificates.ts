import type { Cancellable, Credentials, Engine } from '@ambientmesh/hbone';
import { parseSpiffeId, type SpiffeId } from '@ambientmesh/spiffe';
import type { CertificateMaterial } from './protocol.ts';

/** A certificate ready for handshakes. */
export interface HeldCertificate {
  readonly identity: SpiffeId;
  readonly credentials: Credentials;
}

/** Told once, when a certificate that was not there has come, or cannot be had. */
export interface CertificateWaiter {
  ready(certificate: HeldCertificate): void;
  unavailable(message: string): void;
}

type Entry =
  | { readonly state: 'held'; readonly certificate: HeldCertificate }
  | { readonly state: 'unavailable'; readonly message: string }
  | { readonly state: 'wanted'; readonly waiters: Set<CertificateWaiter> };

const NOTHING: Cancellable = { cancel: () => undefined };

/**
 * The certificates a data thread holds, one an identity. What is not there is asked of the control thread, once; whoever
 * needs it waits. After a failure callers get the error at once until a certificate arrives.
 */
export class ThreadCertificates {
  readonly #engine: Engine;
  readonly #want: (identity: string) => void;
  readonly #entries = new Map<string, Entry>();

  /** `want` asks the control thread for the certificate of an identity. */
  constructor(engine: Engine, want: (identity: string) => void) {
    this.#engine = engine;
    this.#want = want;
  }

  /** Calls `waiter` at once when the answer is known. */
  request(identity: string, waiter: CertificateWaiter): Cancellable {
    const entry = this.#entries.get(identity);
    if (entry?.state === 'held') {
      waiter.ready(entry.certificate);
      return NOTHING;
    }
    if (entry?.state === 'unavailable') {
      waiter.unavailable(entry.message);
      return NOTHING;
    }
    const waiters = entry?.waiters ?? new Set();
    waiters.add(waiter);
    if (entry === undefined) {
      this.#entries.set(identity, { state: 'wanted', waiters });
      this.#want(identity);
    }
    return { cancel: () => waiters.delete(waiter) };
  }

  put(material: CertificateMaterial): void {
    const identity = parseSpiffeId(material.identity);
    if (identity === undefined) return;
    const certificate = { identity, credentials: this.#engine.credentials(material) };
    for (const waiter of this.#replace(material.identity, { state: 'held', certificate })) waiter.ready(certificate);
  }

  unavailable(identity: string, message: string): void {
    for (const waiter of this.#replace(identity, { state: 'unavailable', message })) waiter.unavailable(message);
  }

  forget(identity: string): void {
    const entry = this.#entries.get(identity);
    this.#entries.delete(identity);
    if (entry?.state === 'wanted')
      for (const waiter of entry.waiters) waiter.unavailable('the identity is no longer needed');
  }

  #replace(identity: string, next: Entry): Iterable<CertificateWaiter> {
    const entry = this.#entries.get(identity);
    this.#entries.set(identity, next);
    return entry?.state === 'wanted' ? entry.waiters : [];
  }
}
