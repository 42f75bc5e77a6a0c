import { renderIpBytes } from './ip-address.ts';

/** The state `TCP_LISTEN` in `/proc/net/tcp`, linux/tcp_states.h. */
const LISTEN = '0A';

/** A socket that listens. */
export interface ListeningSocket {
  /** `0.0.0.0`, `*` for IPv6's wildcard (which mostly takes IPv4 too), or an address. */
  readonly address: string;
  readonly port: number;
}

/** Listening TCP sockets in the text of `/proc/net/tcp` and `/proc/net/tcp6` (one after the other), by port, each once. */
export function parseListeningSockets(text: string): ListeningSocket[] {
  const found = new Map<string, ListeningSocket>();
  for (const line of text.split('\n')) {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const [hexAddress = '', hexPort = ''] = local.split(':');
    if (state !== LISTEN || !/^(?:[0-9A-F]{8}|[0-9A-F]{32})$/.test(hexAddress)) continue;
    const socket = { address: renderAddress(hexAddress), port: Number.parseInt(hexPort, 16) };
    found.set(`${socket.address} ${socket.port}`, socket);
  }
  return [...found.values()].toSorted((a, b) => a.port - b.port || a.address.localeCompare(b.address));
}

/** The kernel prints words of four bytes in the machine's order: little-endian wherever the lab runs. */
function renderAddress(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  bytes.swap32();
  return bytes.length === 16 && bytes.every((byte) => byte === 0) ? '*' : renderIpBytes(bytes);
}
