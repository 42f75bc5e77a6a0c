import type { Plain } from '../engine.ts';

/** Gives a socket up at once: bytes that its reader would miss are told by RST, not hidden behind a FIN that waits for them. */
export function cutPlain(plain: Plain): void {
  if (plain.queued > 0) plain.reset();
  else plain.close();
}
