import type { ConnectionFailure } from '@ambientmesh/hbone';

/**
 * What a series of reads came to: `more` may be read at once; `wait` for the carrier; `end` of the peer's side, or `fin`: its
 * end without close_notify.
 */
export type Outcome = 'more' | 'wait' | 'end' | 'fin' | ConnectionFailure;

/** What protects the records of a connection whose handshake is done. Nobody is called back from inside. */
export interface Protection {
  /** Octets that `read` has put on the wire since they were last set to 0: answers to KeyUpdates. */
  answered: number;
  /** Whether `read` has something to decrypt without reading. */
  readonly holds: boolean;
  /** Decrypts what has come to `at`, where `ReadMemory.records` is: how many bytes, and what is next. */
  read(at: number): { readonly bytes: number; readonly outcome: Outcome };
  /** Encrypts `[at, at + length)`, 16 KiB at most, onto the wire; a failure if that cannot be. */
  write(at: number, length: number): ConnectionFailure | undefined;
  /** Puts close_notify on the wire. */
  closeNotify(): void;
  /** Idempotent. What is on the wire stays there. */
  free(): void;
}
