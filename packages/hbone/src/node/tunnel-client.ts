import type { CredentialsSource } from '../engine.ts';
import { HboneError } from '../errors.ts';
import { type CloseOptions, Deadline, requireDeadlineMs } from './deadline.ts';
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
  #closed = false;
  #closing: Promise<void> | undefined;

  /** Throws HBONE_OPTIONS_INVALID, HBONE_CREDENTIALS_INVALID. */
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
   * Opens a tunnel to `authority` (`host:port`, `[ipv6]:port`). Rejects with HBONE_REQUEST_INVALID, HBONE_OPTIONS_INVALID,
   * HBONE_DIAL_FAILED, HBONE_HANDSHAKE_FAILED, HBONE_OVERLOADED, HBONE_REQUEST_REFUSED (a status but 2xx), HBONE_REQUEST_TIMEOUT, HBONE_STREAM_RESET,
   * HBONE_CONNECTION_LOST, HBONE_CLOSED, or the signal's reason. `error.retryable` says whether to make the same request
   * again is safe; that is left to the caller.
   */
  async open(authority: string, options: OpenTunnelOptions = {}): Promise<TunnelDuplex> {
    if (this.#closed) throw new HboneError('HBONE_CLOSED', `CONNECT ${authority}: the client is closed`);
    const opened = await this.#opener.open(authority, options);
    this.#streams += 1;
    opened.once('close', () => {
      this.#streams -= 1;
    });
    return opened;
  }

  /**
   * The next tunnels are on connections that were made with these credentials; connections that are open carry their
   * tunnels to the end, and then close. Throws HBONE_CREDENTIALS_INVALID.
   */
  rotate(credentials: CredentialsSource): void {
    this.#opener.rotate(credentials);
  }

  /**
   * Drains: resolves when the last tunnel has ended and its bytes have left. Requests that wait for a connection fail with
   * HBONE_CLOSED; those that were sent already may still become tunnels. Idempotent; a later call may still set a
   * deadline. Rejects with HBONE_OPTIONS_INVALID.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const deadlineMs = requireDeadlineMs(options);
    this.#closed = true;
    this.#closing ??= new Promise<void>((resolve) => this.#opener.pool.drain(resolve)).finally(() =>
      this.#deadline.stop(),
    );
    this.#deadline.start(deadlineMs);
    return this.#closing;
  }

  /** Cuts everything now: tunnels fail with HBONE_CLOSED. Idempotent, never throws. */
  abort(): void {
    this.#closed = true;
    this.#opener.pool.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
