import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { ToDataThread } from './protocol.ts';
import type { SynchronousEngine } from './synchronous-engine.ts';

/** Messages between two turns at most, and milliseconds for them: connections wait meanwhile. */
export const MESSAGES_A_TURN = 64;
export const MESSAGES_MS = 2;
/** The longest wait for something to do: a wake-up that was lost does no harm, and the thread can be ended. */
export const LONGEST_TURN_MS = 100;

/** What the loop drives. */
export interface ThreadLoop {
  readonly engine: SynchronousEngine;
  readonly port: MessagePort;
  /** Obeys a message of the control thread. */
  apply(message: ToDataThread): void;
  /** Called once a turn. */
  beat(): void;
  /** Monotonic milliseconds, not the engine's: its clock stands still between turns. */
  now(): number;
}

/** Turns until the control thread says `end`, which is passed on to `apply` as all messages are. Never waits for Node's event loop. */
export function runThreadLoop(loop: ThreadLoop): void {
  const { engine, port } = loop;
  let taken: Taken = 'some';
  while (taken !== 'end') {
    engine.turn(taken === 'some' ? 0 : LONGEST_TURN_MS);
    loop.beat();
    taken = takeMessages(port, loop);
  }
  // What the end has queued leaves.
  engine.turn(0);
}

/** `all`: none is left that one must not wait for. */
type Taken = 'all' | 'some' | 'end';

function takeMessages(port: MessagePort, loop: Pick<ThreadLoop, 'apply' | 'now'>): Taken {
  let endMs: number | undefined;
  for (let count = 0; count < MESSAGES_A_TURN; count++) {
    const received = receiveMessageOnPort(port);
    if (received === undefined) return 'all';
    // Most turns find none, and ask for no time.
    endMs ??= loop.now() + MESSAGES_MS;
    const message: ToDataThread = received.message;
    loop.apply(message);
    if (message.type === 'end') return 'end';
    if (loop.now() >= endMs) return 'some';
  }
  return 'some';
}
