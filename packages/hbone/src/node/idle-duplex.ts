import { Duplex } from 'node:stream';
import type { SocketAddress } from '../engine.ts';
import { requireTimeoutMs } from './checked-options.ts';

/**
 * What programs call on a `net.Socket` beside its streams, so that `node:http` and the like take a tunnel for one: an idle
 * time-out of its own, and settings of a TCP connection that a tunnel does not have, for it shares its connection.
 */
export abstract class IdleDuplex extends Duplex {
  /** As of `net.Socket`: a tunnel is open before it is handed out. */
  readonly connecting = false;
  /** Milliseconds of `setTimeout`; 0: none. Undefined until it is called. */
  timeout: number | undefined;
  #idleTimer: NodeJS.Timeout | undefined;

  /** Address of the other end of the connection under the tunnel. */
  abstract readonly remote: SocketAddress;

  /** As of `net.Socket`. */
  get remoteAddress(): string {
    return this.remote.ip;
  }

  /** As of `net.Socket`. */
  get remotePort(): number {
    return this.remote.port;
  }

  /** As of `net.Socket`. */
  get remoteFamily(): 'IPv4' | 'IPv6' {
    return this.remote.ip.includes(':') ? 'IPv6' : 'IPv4';
  }

  /**
   * Emits 'timeout' when nothing was read or written for `ms` milliseconds, as `net.Socket` does: nothing else happens. 0
   * ends that. `callback` is for the first 'timeout' only. Throws HBONE_OPTIONS_INVALID.
   */
  setTimeout(ms: number, callback?: () => void): this {
    const checkedMs = ms === 0 ? 0 : requireTimeoutMs('setTimeout', ms);
    this.timeout = checkedMs;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
    if (checkedMs > 0 && !this.destroyed) {
      this.#idleTimer = setTimeout(() => this.emit('timeout'), checkedMs);
      this.#idleTimer.unref();
    }
    if (callback !== undefined) {
      if (checkedMs === 0) this.off('timeout', callback);
      else this.once('timeout', callback);
    }
    return this;
  }

  /** Does nothing: tunnels never wait with what was written. */
  setNoDelay(): this {
    return this;
  }

  /** Does nothing: the connection under the tunnel has its own PINGs. */
  setKeepAlive(): this {
    return this;
  }

  /** Does nothing: the connection under the tunnel, which others share, holds the process. */
  ref(): this {
    return this;
  }

  /** Does nothing, as `ref`. */
  unref(): this {
    return this;
  }

  /** Ends our side, and destroys the stream when all has left. */
  destroySoon(): void {
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
    this.end();
  }

  /** Something was read or written. */
  protected active(): void {
    this.#idleTimer?.refresh();
  }

  /** The stream is destroyed. */
  protected endIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
  }
}
