/** A field's value; `bare` text is printed without quotes. */
export type ZdsLogValue = string | number | { readonly bare: string };

/** Where this package logs; fields keep their order. */
export interface ZdsLogger {
  debug(fields: readonly (readonly [key: string, value: ZdsLogValue])[], message: string): void;
  info(fields: readonly (readonly [key: string, value: ZdsLogValue])[], message: string): void;
  warn(fields: readonly (readonly [key: string, value: ZdsLogValue])[], message: string): void;
  error(fields: readonly (readonly [key: string, value: ZdsLogValue])[], message: string): void;
}

/** The module a line comes from, as operators of the reference proxy know it. */
export type ZdsLogScope = 'inpod::workloadmanager' | 'inpod::statemanager' | 'inpod::protocol';

/** Gives the logger of a module. */
export type ZdsLoggerFor = (scope: ZdsLogScope) => ZdsLogger;

/** Logs nothing. */
export const silentLogger: ZdsLogger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
