import { type Cancellable, END, type Engine, type Plain, type SocketAddress } from '@ambientmesh/hbone';
import type { Lookup } from '../dns/lookup.ts';
import {
  encodeReply,
  REPLY_COMMAND_NOT_SUPPORTED,
  REPLY_HOST_UNREACHABLE,
  REPLY_SUCCEEDED,
  type Socks5Event,
  Socks5Handshake,
  type Socks5Target,
} from './handshake.ts';

/** A client that has not sent its request by then is cut off. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Bytes read at a time: little more than a handshake has, so that little is left over. */
const READ_BYTES = 1024;

/** What the owner of a socks5 listener does for its connections. */
export interface Socks5Owner {
  readonly engine: Pick<Engine, 'after'>;
  /** Looks a name up for a client of this family, calling back once; absent without a DNS proxy, then names are refused. */
  readonly resolve?: Lookup | undefined;
  /**
   * The handshake is done and success was replied. `plain` is the owner's now, who sets its handler and begins with a
   * `read`; `leftover` are bytes for the target that were read already.
   */
  onTarget(plain: Plain, target: SocketAddress, leftover: Uint8Array): void;
  /** It failed and `plain` is closed; `message` for the log line `failed to negotiate socks connection: …`. */
  onFailure(message: string): void;
}

/**
 * Talks SOCKS5 on an accepted connection (spec ztunnel.md §7.4), which it takes over. `cancel` on what it returns cuts the
 * connection while the handshake lasts, without a call to the owner.
 */
export function acceptSocks5(plain: Plain, owner: Socks5Owner): Cancellable {
  const negotiation = new Socks5Negotiation(plain, owner);
  negotiation.start();
  return negotiation;
}

class Socks5Negotiation implements Cancellable {
  readonly #plain: Plain;
  readonly #owner: Socks5Owner;
  readonly #handshake = new Socks5Handshake();
  readonly #deadline: Cancellable;
  #state: 'reading' | 'resolving' | 'done' = 'reading';

  constructor(plain: Plain, owner: Socks5Owner) {
    this.#plain = plain;
    this.#owner = owner;
    this.#deadline = owner.engine.after(HANDSHAKE_TIMEOUT_MS, () => this.#abort('General: io error: timed out'));
  }

  start(): void {
    this.#plain.handler = {
      readable: () => this.#read(),
      written: () => undefined,
      failed: (failure) => {
        if (this.#finish()) this.#owner.onFailure(`General: io error: ${failure.message}`);
      },
    };
    this.#read();
  }

  cancel(): void {
    if (this.#finish()) this.#plain.reset();
  }

  #read(): void {
    while (this.#state === 'reading') {
      const events: Socks5Event[] = [];
      const count = this.#plain.read(READ_BYTES, {
        bytes: (memory, start, end) => events.push(...this.#handshake.push(memory.subarray(start, end))),
      });
      if (count === 0) return;
      if (count === END) events.push(...this.#handshake.end());
      // Not from inside of the read: the owner of the target reads on at once.
      for (const event of events) this.#follow(event);
    }
  }

  #follow(event: Socks5Event): void {
    switch (event.kind) {
      case 'reply':
        this.#plain.write(event.bytes, 0, event.bytes.length);
        return;
      case 'failure':
        this.#refuse(event.reply, event.message);
        return;
      case 'target':
        this.#resolve(event.target);
    }
  }

  #resolve(target: Socks5Target): void {
    const { port } = target;
    this.#state = 'resolving';
    if (target.kind === 'address') {
      this.#succeed({ ip: target.ip, port });
      return;
    }
    const { resolve } = this.#owner;
    if (resolve === undefined) {
      const message = 'CommandNotSupported: unsupported hostname lookup, requires DNS enabled';
      this.#refuse(REPLY_COMMAND_NOT_SUPPORTED, message);
      return;
    }
    resolve(target.name, this.#plain.remote.ip.includes(':') ? 6 : 4, (result) => {
      if ('ip' in result) this.#succeed({ ip: result.ip, port });
      else this.#refuse(REPLY_HOST_UNREACHABLE, `HostUnreachable: ${result.failure}`);
    });
  }

  #succeed(target: SocketAddress): void {
    if (!this.#finish()) return;
    const reply = encodeReply(REPLY_SUCCEEDED);
    this.#plain.write(reply, 0, reply.length);
    this.#owner.onTarget(this.#plain, target, this.#handshake.leftover);
  }

  #refuse(code: number, message: string): void {
    if (!this.#finish()) return;
    const reply = encodeReply(code);
    this.#plain.write(reply, 0, reply.length);
    this.#plain.close();
    this.#owner.onFailure(message);
  }

  #abort(message: string): void {
    if (!this.#finish()) return;
    this.#plain.reset();
    this.#owner.onFailure(message);
  }

  /** Whether it had not ended before. */
  #finish(): boolean {
    if (this.#state === 'done') return false;
    this.#state = 'done';
    this.#deadline.cancel();
    return true;
  }
}
