export { createReactorEngine, type ReactorEngine, type ReactorEngineOptions, type ReactorHoldings } from './engine.ts';
export { ReactorError, type ReactorErrorCode, type ReactorErrorDetails } from './errors.ts';
export type { TurnTimes } from './loop/turn-histogram.ts';
export { selfTest } from './self-test.ts';
