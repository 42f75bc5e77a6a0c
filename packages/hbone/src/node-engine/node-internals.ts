/**
 * What Node knows and has no public name for. All of it has been there unchanged since long before Node 22; each function
 * says what a Node without it does.
 */
import type { Server, Socket } from 'node:net';
import { platform } from 'node:process';
import type { SecureContext, TLSSocket } from 'node:tls';

/** The descriptor of a socket or a listener, or -1. */
export function socketDescriptor(socket: Socket | Server): number {
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

/** Whether `presentWithoutRoot` works on this Node: seen on a socket of its own, of which nothing becomes. */
export function canPresentWithoutRoot(socket: TLSSocket): boolean {
  const handle = property(socket, '_handle');
  return ['enableCertCb', 'certCbDone'].every((name) => typeof property(handle, name) === 'function');
}

/**
 * Has a server socket made without certificates present those of `context` and verify by its roots. OpenSSL completes a
 * chain from the roots of the context a connection was made with, and so would send the root along; now there are none.
 * Where `canPresentWithoutRoot` says no, the handshake fails for want of a certificate.
 */
export function presentWithoutRoot(socket: TLSSocket, context: SecureContext): void {
  const handle = property(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return;
  const call = (name: string): void => {
    const method = property(handle, name);
    if (typeof method === 'function') Reflect.apply(method, handle, []);
  };
  // Called once the ClientHello is there, before a certificate is chosen.
  Reflect.set(handle, 'oncertcb', () => {
    Reflect.set(handle, 'sni_context', context.context);
    call('certCbDone');
  });
  call('enableCertCb');
}

/**
 * Calls `failed` when the TLS layer fails, also after the handshake: a socket of the accepting side tells that in public
 * only if a `tls.Server` has made it, and else goes on as if nothing had been. On a Node without this event it does.
 */
export function onTlsError(socket: TLSSocket, failed: (error: Error) => void): void {
  socket.on('_tlsError', failed);
}

/** Names of what a socket made with the option `onread` has set; `undefined` on other sockets, and to be set here. */
const ON_READ = ['kBuffer', 'kBufferCb'] as const;

/**
 * Has a socket read into `memory` and call `arrived`, as the option `onread` does for sockets that Node connects by itself:
 * nothing is allocated, and `pause` and `resume` act at once. One `memory` may serve many sockets, since a read and its
 * callback are one step; not on Windows, where the kernel fills it whenever it likes. Answers false, and does nothing, where
 * it is not possible: then there are `data` events.
 */
export function readInto(socket: Socket, memory: Uint8Array, arrived: (bytes: number) => void): boolean {
  if (platform === 'win32') return false;
  const handle = property(socket, '_handle');
  const useUserBuffer = property(handle, 'useUserBuffer');
  const symbols = Object.getOwnPropertySymbols(socket);
  const [buffer, callback] = ON_READ.map((name) => symbols.find(({ description }) => description === name));
  if (typeof useUserBuffer !== 'function' || buffer === undefined || callback === undefined) return false;
  Reflect.apply(useUserBuffer, handle, [memory]);
  Reflect.set(socket, buffer, memory);
  Reflect.set(socket, callback, arrived);
  return true;
}

function property(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined;
}
