import { canonicalAddress } from '../address.ts';

/** Where the client wants to go: an address, or a name that has to be looked up. */
export type Socks5Target =
  | { readonly kind: 'address'; readonly ip: string; readonly port: number }
  | { readonly kind: 'name'; readonly name: string; readonly port: number };

/** What a handshake asks its owner to do. After `target` and `failure` nothing follows. */
export type Socks5Event =
  /** Send these bytes. */
  | { readonly kind: 'reply'; readonly bytes: Uint8Array }
  /** The request is complete: send `encodeReply(REPLY_SUCCEEDED)` and go on with what `leftover` holds. */
  | { readonly kind: 'target'; readonly target: Socks5Target }
  /** Send the reply and close. `message` is for the log, in the words of the reference proxy. */
  | { readonly kind: 'failure'; readonly reply: number; readonly message: string };

/** Reply codes (RFC 1928 §6), as far as they are sent. */
export const REPLY_SUCCEEDED = 0;
export const REPLY_GENERAL_FAILURE = 1;
export const REPLY_HOST_UNREACHABLE = 4;
export const REPLY_COMMAND_NOT_SUPPORTED = 7;

const VERSION = 5;
const METHOD_NONE = 0;
const COMMAND_CONNECT = 1;
const ADDRESS_IPV4 = 1;
const ADDRESS_NAME = 3;
const ADDRESS_IPV6 = 4;
/** Version, command, reserved, address type. */
const REQUEST_HEAD_BYTES = 4;
const PORT_BYTES = 2;

/** A reply to the request; the bound address is always `0.0.0.0:0`. */
export function encodeReply(reply: number): Uint8Array {
  return Uint8Array.of(VERSION, reply, 0, ADDRESS_IPV4, 0, 0, 0, 0, 0, 0);
}

/**
 * The server's side of a SOCKS5 handshake (RFC 1928) without authentication and with CONNECT only. Any split of the same
 * bytes gives the same events. Holds what it is given until the request is complete, which takes 519 bytes at most.
 */
export class Socks5Handshake {
  #held: Uint8Array = new Uint8Array(0);
  #step: 'methods' | 'request' | 'done' = 'methods';

  /** Bytes behind the request: the client's first ones to its target. A copy. */
  get leftover(): Uint8Array {
    return this.#held;
  }

  /** Takes the next bytes, which are copied. */
  push(chunk: Uint8Array): readonly Socks5Event[] {
    const held = new Uint8Array(this.#held.length + chunk.length);
    held.set(this.#held);
    held.set(chunk, this.#held.length);
    this.#held = held;
    const events: Socks5Event[] = [];
    if (this.#step === 'methods') this.#add(events, this.#readMethods());
    if (this.#step === 'request') this.#add(events, this.#readRequest());
    return events;
  }

  /** The client has ended its side. */
  end(): readonly Socks5Event[] {
    if (this.#step === 'done') return [];
    this.#step = 'done';
    return [{ kind: 'failure', reply: REPLY_GENERAL_FAILURE, message: 'General: io error: early eof' }];
  }

  #add(events: Socks5Event[], event: Socks5Event | undefined): void {
    if (event === undefined) return;
    this.#step = event.kind === 'reply' ? 'request' : 'done';
    events.push(event);
  }

  #readMethods(): Socks5Event | undefined {
    const [version, count] = this.#held;
    if (version === undefined || count === undefined) return undefined;
    if (version !== VERSION) return malformed(`unsupported version ${version}`);
    if (count === 0) return malformed('methods cannot be zero');
    const end = 2 + count;
    if (this.#held.length < end) return undefined;
    if (!this.#held.subarray(2, end).includes(METHOD_NONE)) return malformed('only unauthenticated is supported');
    this.#held = this.#held.subarray(end);
    return { kind: 'reply', bytes: Uint8Array.of(VERSION, METHOD_NONE) };
  }

  #readRequest(): Socks5Event | undefined {
    const [version, command, , addressType] = this.#held;
    if (version === undefined || command === undefined) return undefined;
    if (version !== VERSION) return malformed(`unsupported version ${version}`);
    if (command !== COMMAND_CONNECT) return malformed(`unsupported command ${command}`);
    if (addressType === undefined) return undefined;
    const rest = this.#held.subarray(REQUEST_HEAD_BYTES);
    switch (addressType) {
      case ADDRESS_IPV4:
        return this.#complete(4, (bytes) => ({ kind: 'address', ip: bytes.join('.') }));
      case ADDRESS_IPV6:
        return this.#complete(16, (bytes) => ({ kind: 'address', ip: renderIpv6(bytes) }));
      case ADDRESS_NAME:
        return rest[0] === undefined ? undefined : this.#complete(1 + rest[0], readName);
      default:
        return malformed(`unsupported address type ${addressType}`);
    }
  }

  /** The target once its address, of `length` bytes, and the port have come. */
  #complete(length: number, read: (bytes: Uint8Array) => Destination | Socks5Event): Socks5Event | undefined {
    const portAt = REQUEST_HEAD_BYTES + length;
    const [high, low] = this.#held.subarray(portAt, portAt + PORT_BYTES);
    if (high === undefined || low === undefined) return undefined;
    const found = read(this.#held.subarray(REQUEST_HEAD_BYTES, portAt));
    if (found.kind !== 'address' && found.kind !== 'name') return found;
    this.#held = this.#held.slice(portAt + PORT_BYTES);
    return { kind: 'target', target: { ...found, port: high * 256 + low } };
  }
}

type Destination = { readonly kind: 'address'; readonly ip: string } | { readonly kind: 'name'; readonly name: string };

function malformed(reason: string): Socks5Event {
  return { kind: 'failure', reply: REPLY_COMMAND_NOT_SUPPORTED, message: `CommandNotSupported: ${reason}` };
}

/** A length and so many bytes of text. */
function readName(bytes: Uint8Array): Destination | Socks5Event {
  try {
    return { kind: 'name', name: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(1)) };
  } catch {
    return malformed(`domain is not a valid utf8 string: [${bytes.subarray(1).join(', ')}]`);
  }
}

/** In its shortest form; a v4-mapped address as IPv4. */
function renderIpv6(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(index * 2));
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return isMapped
    ? bytes.subarray(12).join('.')
    : canonicalAddress(groups.map((group) => group.toString(16)).join(':'));
}
