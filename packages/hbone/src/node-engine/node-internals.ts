/**
 * The two things Node knows and has no public name for. Both have been there unchanged since long before Node 22; a
 * Node without them gives -1 and a refusal.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** The descriptor of a socket, or -1. */
export function socketDescriptor(socket: Socket): number {
  const descriptor = property(property(socket, '_handle'), 'fd');
  return typeof descriptor === 'number' ? descriptor : -1;
}

/**
 * OpenSSL's name of why the chain of a client was not accepted; undefined: it was. Only `tls.Server` tells this in
 * public, and it tells no text for a refusal.
 */
export function clientChainError(socket: TLSSocket): string | undefined {
  const handle = property(socket, '_handle');
  const verifyError = property(handle, 'verifyError');
  if (typeof verifyError !== 'function') return 'UNVERIFIED';
  const error: unknown = Reflect.apply(verifyError, handle, []);
  if (error === null || error === undefined) return undefined;
  const code = property(error, 'code');
  return typeof code === 'string' ? code : 'UNVERIFIED';
}

function property(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined;
}
