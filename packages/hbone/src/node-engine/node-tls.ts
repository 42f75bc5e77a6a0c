import type * as tls from 'node:tls';

/**
 * The module node:tls, loaded when it is first asked for: threads on another engine have this one's code, too, and never
 * run it.
 */
export function nodeTls(): typeof tls {
  return process.getBuiltinModule('node:tls');
}
