import type { ConnectionFailure } from '@ambientmesh/hbone';

/** errno name -> number and text, as the reference prints them and operators search for them. */
const SYSTEM_ERRORS: Readonly<Record<string, readonly [number: number, text: string]>> = {
  EACCES: [13, 'Permission denied'],
  EMFILE: [24, 'Too many open files'],
  EPIPE: [32, 'Broken pipe'],
  EADDRINUSE: [98, 'Address already in use'],
  EADDRNOTAVAIL: [99, 'Cannot assign requested address'],
  ENETDOWN: [100, 'Network is down'],
  ENETUNREACH: [101, 'Network is unreachable'],
  ECONNABORTED: [103, 'Software caused connection abort'],
  ECONNRESET: [104, 'Connection reset by peer'],
  ENOBUFS: [105, 'No buffer space available'],
  ECONNREFUSED: [111, 'Connection refused'],
  EHOSTUNREACH: [113, 'No route to host'],
};

/** `Connection refused (os error 111)`; a dial of ours that took too long is `deadline has elapsed`. */
export function renderIoError(failure: ConnectionFailure): string {
  if (failure.code === 'ETIMEDOUT') return 'deadline has elapsed';
  const known = SYSTEM_ERRORS[failure.code];
  return known === undefined ? failure.message : `${known[1]} (os error ${known[0]})`;
}
