export { ReactorError, type ReactorErrorCode, type ReactorErrorDetails } from './errors.ts';
export type { ReactorOptions } from './loop/reactor.ts';
export type { TurnTimes } from './loop/turn-histogram.ts';
