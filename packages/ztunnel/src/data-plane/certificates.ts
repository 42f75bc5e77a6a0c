import type { Cancellable, Credentials, Engine } from '@ambientmesh/hbone';
import { parseSpiffeId, type SpiffeId } from '@ambientmesh/spiffe';
import type { CertificateMaterial } from './protocol.ts';

/**
 * How long credentials are kept after they were replaced: whoever took them before is still dialling, for 10 s at most
 * (`CONNECT_TIMEOUT_MS`), and shakes hands with them then.
 */
export const RETIRED_MS = 30_000;

/** A certificate ready for handshakes. */
export interface HeldCertificate {
  readonly identity: SpiffeId;
  readonly credentials: Credentials;
  /** The roots of `credentials`, one PEM text each; the same array for as long as it is held. */
  readonly rootsPem: readonly string[];
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

  /** Calls `waiter` at once when the answer is known, and then there is nothing to cancel. */
  request(identity: string, waiter: CertificateWaiter): Cancellable | undefined {
    const entry = this.#entries.get(identity);
    if (entry?.state === 'held') {
      waiter.ready(entry.certificate);
      return undefined;
    }
    if (entry?.state === 'unavailable') {
      waiter.unavailable(entry.message);
      return undefined;
    }
    const waiters = entry?.waiters ?? new Set();
    waiters.add(waiter);
    if (entry === undefined) {
      this.#entries.set(identity, { state: 'wanted', waiters });
      this.#want(identity);
    }
    return { cancel: () => waiters.delete(waiter) };
  }

  /** The roots held with an identity's certificate; the same array for as long as that is held. */
  rootsOf(identity: string): readonly string[] | undefined {
    const entry = this.#entries.get(identity);
    return entry?.state === 'held' ? entry.certificate.rootsPem : undefined;
  }

  /**
   * What cannot be used counts as unavailable; a certificate held before is kept. Answers whether a root may be gone that
   * running tunnels were verified by: it is not among those of now, or nobody knows those of before.
   */
  put(material: CertificateMaterial): boolean {
    const { identity, rootsPem } = material;
    const before = this.rootsOf(identity);
    const certificate = this.#prepare(material);
    if (typeof certificate === 'string') {
      if (before === undefined) this.unavailable(identity, certificate);
      return false;
    }
    for (const waiter of this.#replace(identity, { state: 'held', certificate })) waiter.ready(certificate);
    return before === undefined || before.some((root) => !rootsPem.includes(root));
  }

  unavailable(identity: string, message: string): void {
    for (const waiter of this.#replace(identity, { state: 'unavailable', message })) waiter.unavailable(message);
  }

  forget(identity: string): void {
    const entry = this.#entries.get(identity);
    this.#entries.delete(identity);
    this.#retire(entry);
    if (entry?.state === 'wanted')
      for (const waiter of entry.waiters) waiter.unavailable('the identity is no longer needed');
  }

  /** Or why it is of no use. */
  #prepare(material: CertificateMaterial): HeldCertificate | string {
    const identity = parseSpiffeId(material.identity);
    if (identity === undefined) return `${material.identity} is no identity`;
    try {
      return { identity, credentials: this.#engine.credentials(material), rootsPem: material.rootsPem };
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #replace(identity: string, next: Entry): Iterable<CertificateWaiter> {
    const entry = this.#entries.get(identity);
    this.#entries.set(identity, next);
    this.#retire(entry);
    return entry?.state === 'wanted' ? entry.waiters : [];
  }

  /** Engines that hold more than memory for credentials are told when nobody makes connections with them any more. */
  #retire(entry: Entry | undefined): void {
    if (entry?.state !== 'held') return;
    const { credentials } = entry.certificate;
    if (credentials.close !== undefined) this.#engine.after(RETIRED_MS, () => credentials.close?.());
  }
}
