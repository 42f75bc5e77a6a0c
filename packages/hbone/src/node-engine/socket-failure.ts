import type { ConnectionFailure } from '../engine.ts';
import { systemFailure } from '../engine-rules/system-failure.ts';

/** `errno` name of an error of Node, or `EIO`. */
export function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'EIO';
}

/** The failure of a plain socket: the kernel's text where it is known, Node's otherwise. */
export function socketFailure(error: unknown): ConnectionFailure {
  return systemFailure(errorCode(error), error instanceof Error ? error.message : String(error));
}
