export { Codec } from './core/codec.ts';
export type { Events, Field, Fields, Receiver, Sender } from './core/contract.ts';
export { ErrorCode } from './core/error-code.ts';
export { type CodecOptions, MIN_CONTROL_ROOM_BYTES, type ResetBudget, type Role } from './core/limits.ts';
