import type { ByteSink, Engine, Plain } from '@ambientmesh/hbone';

/**
 * How long a refused client gets to say its first word. Between its connect and its request it may have to wait for a
 * processor: with two busy ones 2 ms, where the refusal was quicker in 30 % of the cases, and with ten processes waiting
 * for each of them more than 100 ms.
 */
export const FIRST_WORD_MS = 500;

const NOWHERE: ByteSink = { bytes: () => {} };

/**
 * Closes a connection from which nothing is to be read: by RST if the client has said something or does so shortly, so
 * that it does not take the end for an empty answer; by FIN otherwise (spec hbone.md §5, policy.md §4.5). Takes `plain`
 * over; what is queued for it is sent before.
 */
export function refuseClient(plain: Plain, engine: Pick<Engine, 'after'>): void {
  const leave = (): void => {
    timer.cancel();
    // It resets if there are unread bytes.
    plain.close();
  };
  const timer = engine.after(FIRST_WORD_MS, leave);
  plain.handler = { readable: leave, written: () => {}, failed: () => timer.cancel() };
  if (plain.read(1, NOWHERE) !== 0) leave();
}
