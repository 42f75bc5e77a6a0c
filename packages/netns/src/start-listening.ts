import type { EventEmitter } from 'node:events';
import { NetnsError } from './errors.ts';

/**
 * Calls `start` and waits until the server or socket of Node says `listening`.
 * @throws what `start` throws, what the emitter reports, and `NETNS_CLOSED` if it is closed first.
 */
export async function startListening(emitter: EventEmitter, start: () => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onClose = (): void => reject(new NetnsError('NETNS_CLOSED', 'closed before it listened'));
  emitter.once('listening', resolve);
  emitter.once('error', reject);
  // A server that is closed within the tick says neither of them.
  emitter.once('close', onClose);
  try {
    start();
    await promise;
  } finally {
    emitter.off('listening', resolve);
    emitter.off('error', reject);
    emitter.off('close', onClose);
  }
}
