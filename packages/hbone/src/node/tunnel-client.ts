import type { CredentialsSource } from '../engine.ts';
import { type CloseOptions, Deadline } from './deadline.ts';
import type { TunnelDuplex } from './tunnel-duplex.ts';
import { type OpenTunnelOptions, type TunnelClientOptions, TunnelOpener } from './tunnel-opener.ts';

/**
 * Opens many tunnels on few connections: those to the same server share one until it is full. Idle connections stay open
 * for `unusedReleaseMs` and hold the process; `close` when done.
 */
export class TunnelClient implements AsyncDisposable {
  readonly #opener: TunnelOpener;
  readonly #deadline = new Deadline(() => this.abort());
  #streams = 0;
  #closing: Promise<void> | undefined;

  /** Throws HBONE_CREDENTIALS_INVALID. */
  constructor(options: TunnelClientOptions) {
    this.#opener = new TunnelOpener(options);
  }

  /** Connections that are up. */
  get connectionCount(): number {
    return this.#opener.pool.connectionCount;
  }

  /** Tunnels that are open. */
  get streamCount(): number {
    return this.#streams;
  }

  /**
   * Opens a tunnel to `authority` (`host:port`, `[ipv6]:port`). Rejects with HBONE_REQUEST_INVALID, HBONE_DIAL_FAILED,
   * HBONE_HANDSHAKE_FAILED, HBONE_REQUEST_REFUSED (a status but 2xx), HBONE_REQUEST_TIMEOUT, HBONE_STREAM_RESET,
   * HBONE_CONNECTION_LOST, HBONE_CLOSED, or the signal's reason. `error.retryable` says whether to make the same request
   * again is safe; that is left to the caller.
   */
  async open(authority: string, options: OpenTunnelOptions = {}): Promise<TunnelDuplex> {
    const opened = await this.#opener.open(authority, options);
    this.#streams += 1;
    opened.once('close', () => {
      this.#streams -= 1;
    });
    return opened;
  }

  /** The next handshakes use these credentials; open connections go on as they are. Throws HBONE_CREDENTIALS_INVALID. */
  rotate(credentials: CredentialsSource): void {
    this.#opener.rotate(credentials);
  }

  /**
   * Drains: what is being opened fails with HBONE_CLOSED, and it resolves when the last tunnel has ended and its bytes
   * have left. Idempotent; a later call may still set a deadline.
   */
  close({ deadlineMs }: CloseOptions = {}): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => this.#opener.pool.drain(resolve)).finally(() =>
      this.#deadline.stop(),
    );
    this.#deadline.start(deadlineMs);
    return this.#closing;
  }

  /** Cuts everything now: tunnels fail with HBONE_CLOSED. Idempotent, never throws. */
  abort(): void {
    this.#opener.pool.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
