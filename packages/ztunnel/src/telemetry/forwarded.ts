import type { SocketAddress } from '@ambientmesh/hbone';
import { formatAddress } from '../address.ts';
import { fitsHeader } from './header-text.ts';

const ASCII = /^[\x20-\x7e\t]*$/;

/** The `forwarded` header of a CONNECT: the original client, and the service it asked for (spec hbone.md §3.2). */
export function renderForwarded(client: SocketAddress, hostname: string | undefined): string {
  const address = `for="${formatAddress(client)}"`;
  return hostname === undefined || !fitsHeader(hostname) ? address : `${address};host=${hostname}`;
}

/** The `host=` of a `forwarded` header. */
export function parseForwardedHost(header: string): string | undefined {
  if (!ASCII.test(header)) return undefined;
  for (const part of header.split(';')) {
    const text = part.trim();
    if (!text.startsWith('host=')) continue;
    const host = text.slice('host='.length).replace(/^"(.*)"$/, '$1');
    return host === '' ? undefined : host;
  }
  return undefined;
}
