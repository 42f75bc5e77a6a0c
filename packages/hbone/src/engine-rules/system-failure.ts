import type { ConnectionFailure } from '../engine.ts';

/** The kernel's words and Linux number for what sockets commonly report; `errno` names are the keys. */
const SYSTEM_TEXTS: Readonly<Record<string, string>> = {
  EPERM: 'Operation not permitted (os error 1)',
  EACCES: 'Permission denied (os error 13)',
  EMFILE: 'Too many open files (os error 24)',
  ENFILE: 'Too many open files in system (os error 23)',
  EINVAL: 'Invalid argument (os error 22)',
  EPIPE: 'Broken pipe (os error 32)',
  EADDRINUSE: 'Address already in use (os error 98)',
  EADDRNOTAVAIL: 'Cannot assign requested address (os error 99)',
  ENETDOWN: 'Network is down (os error 100)',
  ENETUNREACH: 'Network is unreachable (os error 101)',
  ECONNABORTED: 'Software caused connection abort (os error 103)',
  ECONNRESET: 'Connection reset by peer (os error 104)',
  ENOTCONN: 'Transport endpoint is not connected (os error 107)',
  ETIMEDOUT: 'Connection timed out (os error 110)',
  ECONNREFUSED: 'Connection refused (os error 111)',
  EHOSTUNREACH: 'No route to host (os error 113)',
};

/** Text of a deadline of our own, as opposed to the kernel's ETIMEDOUT. */
export const DEADLINE_TEXT = 'deadline has elapsed';

/** The failure of which the kernel gave this `errno` name: its text where it is known, `otherwise` if not. */
export function systemFailure(code: string, otherwise = code): ConnectionFailure {
  return { code, message: SYSTEM_TEXTS[code] ?? otherwise };
}
